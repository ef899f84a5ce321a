/** Which nodes a partition is on, and which it is to be on, by one configuration: asked for hundreds of groups several times a second. */
import { type ClusterConfiguration, keepsConfiguration, type Move } from '../model/membership.js';

type Lists = readonly (readonly string[])[];

/** A place is that of a slice of the hash space in the lists of the configuration; the last is that of its keepers. */
export class PartitionLists {
  private readonly slices: number;
  private readonly moves: ReadonlyMap<number, Move>;
  // Made when they are asked for first.
  private readonly shorterLists = new Map<number, readonly string[]>();
  private readonly goals = new Map<number, readonly string[]>();
  private readonly unions = new Map<number, readonly string[]>();

  constructor(private readonly configuration: ClusterConfiguration) {
    this.slices = configuration.lists.length - 1;
    this.moves = new Map(configuration.moving.map((move) => [move.place, move]));
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
    return keepsConfiguration(partition)
      ? this.listOf(partition).length
      : this.configuration.replicas + 1 - Math.floor(partition / this.slices);
  }

  private moveOf(partition: number): Move | undefined {
    return this.moves.size === 0 ? undefined : this.moves.get(this.placeOf(partition));
  }

  private placeOf(partition: number): number {
    return keepsConfiguration(partition) ? this.slices : partition % this.slices;
  }

  /** Namespaces that ask for fewer copies have the first nodes. */
  private cut(lists: Lists, partition: number): readonly string[] {
    const list = lists[this.placeOf(partition)]!;
    return keepsConfiguration(partition) ? list : list.slice(0, this.copiesAskedOf(partition));
  }
}
