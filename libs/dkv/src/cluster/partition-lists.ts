/** Which nodes a partition is on, and which it is to be on, by one configuration: asked for hundreds of groups several times a second. */
import { type ClusterConfiguration, CONFIGURATION_GROUP, type Move } from '../model/membership.js';

type Lists = readonly (readonly string[])[];

/** A place is that of a slice of the hash space in the lists of the configuration; the last is that of its keepers. */
export class PartitionLists {
  private readonly slices: number;
  private readonly moves: ReadonlyMap<number, Move>;
  /** By place. */
  private readonly barriers: readonly number[];
  // Made when they are asked for first.
  private readonly shorterLists = new Map<number, readonly string[]>();
  private readonly goals = new Map<number, readonly string[]>();
  private readonly unions = new Map<number, readonly string[]>();

  /** @param before of the configuration that this node went by until now */
  constructor(
    private readonly configuration: ClusterConfiguration,
    before?: PartitionLists,
  ) {
    this.slices = configuration.lists.length - 1;
    this.moves = new Map(configuration.moving.map((move) => [move.place, move]));
    // A node without a configuration that was agreed on takes the nodes that discovery shows for those of a partition.
    const known = before && before.configuration.epoch > 0 ? before.barriers : undefined;
    this.barriers = configuration.lists.map(
      (_, place) => this.moves.get(place)?.joint ?? known?.[place] ?? configuration.epoch,
    );
  }

  listOf(partition: number): readonly string[] {
    const { lists } = this.configuration;
    if (partition < this.slices) {
      return lists[partition]!;
    }
    let list = this.shorterLists.get(partition);
    if (!list) {
      list = this.cut(lists, partition);
      this.shorterLists.set(partition, list);
    }
    return list;
  }

  goalOf(partition: number): readonly string[] {
    if (!this.moveOf(partition)) {
      return this.listOf(partition);
    }
    let goal = this.goals.get(partition);
    if (!goal) {
      goal = this.cut(this.configuration.target, partition);
      this.goals.set(partition, goal);
    }
    return goal;
  }

  sinceOf(partition: number): number {
    return this.moveOf(partition)?.since ?? 0;
  }

  /** The epoch of the stage that a move of the partition is in; 0 where it does not move. */
  stageOf(partition: number): number {
    const move = this.moveOf(partition);
    return move ? (move.joint ?? move.since) : 0;
  }

  /**
   * Who reads or writes the partition here must know this epoch at least. It is that of the last joint stage that this node has
   * known: whoever does not know of it counts copies of the list before alone. A start takes the epoch it starts with, since
   * it cannot tell.
   */
  barrierOf(partition: number): number {
    return this.barriers[this.placeOf(partition)]!;
  }

  /** The lists of which each must have its own quorum: while a move is joint there are two. */
  quorumListsOf(partition: number): Lists {
    const list = this.listOf(partition);
    return this.moveOf(partition)?.joint === undefined ? [list] : [list, this.goalOf(partition)];
  }

  nodesOf(partition: number): readonly string[] {
    const move = this.moveOf(partition);
    if (!move) {
      return this.listOf(partition);
    }
    let union = this.unions.get(partition);
    if (!union) {
      union = [...new Set([...this.listOf(partition), ...this.goalOf(partition), ...move.also])];
      this.unions.set(partition, union);
    }
    return union;
  }

  copiesAskedOf(partition: number): number {
    return partition === CONFIGURATION_GROUP
      ? this.listOf(partition).length
      : this.configuration.replicas + 1 - Math.floor(partition / this.slices);
  }

  private moveOf(partition: number): Move | undefined {
    return this.moves.size === 0 ? undefined : this.moves.get(this.placeOf(partition));
  }

  private placeOf(partition: number): number {
    return partition === CONFIGURATION_GROUP ? this.slices : partition % this.slices;
  }

  /** Namespaces that ask for fewer copies have the first nodes. */
  private cut(lists: Lists, partition: number): readonly string[] {
    const list = lists[this.placeOf(partition)]!;
    return partition === CONFIGURATION_GROUP ? list : list.slice(0, this.copiesAskedOf(partition));
  }
}
