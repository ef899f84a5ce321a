/** Which nodes a partition is on, and which it is to be on, by one configuration: asked for hundreds of groups several times a second. */
import {
  type ClusterConfiguration,
  CONFIGURATION_GROUP,
  keepsConfiguration,
  type Move,
} from '../model/membership.js';
import { ownClass } from './cluster-configuration.js';

const NOWHERE: readonly string[] = Object.freeze([]);

/** Of partitions of a class that the configuration does not have there are no nodes. */
export class PartitionLists {
  private readonly moves: ReadonlyMap<number, Move>;
  /** By number of the class, where its lists begin. */
  private readonly firstPlaces: readonly (number | undefined)[];
  /** By place. */
  private readonly barriers: readonly number[];
  // Made when they are asked for first.
  private readonly unions = new Map<number, readonly string[]>();

  /** @param before of the configuration that this node went by until now */
  constructor(
    private readonly configuration: ClusterConfiguration,
    before?: PartitionLists,
  ) {
    const { moving, classes, partitions, lists, epoch } = configuration;
    this.moves = new Map(moving.map((move) => [move.place, move]));
    const firstPlaces: (number | undefined)[] = [];
    for (const [index, { number }] of classes.entries()) {
      firstPlaces[number] = index * partitions;
    }
    this.firstPlaces = firstPlaces;
    // A node without a configuration that was agreed on takes the nodes that discovery shows for those of a partition.
    const known = before && before.configuration.epoch > 0 ? before.barriers : undefined;
    this.barriers = lists.map((_, place) => this.moves.get(place)?.joint ?? known?.[place] ?? epoch);
  }

  listOf(partition: number): readonly string[] {
    return this.configuration.lists[this.placeOf(partition)] ?? NOWHERE;
  }

  goalOf(partition: number): readonly string[] {
    return this.moveOf(partition)
      ? this.configuration.target[this.placeOf(partition)]!
      : this.listOf(partition);
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
    return this.barriers[this.placeOf(partition)] ?? this.configuration.epoch;
  }

  /** The lists of which each must have its own quorum: while a move is joint there are two. */
  quorumListsOf(partition: number): ClusterConfiguration['lists'] {
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

  /** Those that the node holds. */
  partitionsOf(nodeId: string): readonly number[] {
    const { lists, partitions, classes } = this.configuration;
    return classes.flatMap(({ number }, row) =>
      lists
        .slice(row * partitions, (row + 1) * partitions)
        .flatMap((list, slice) => (list.includes(nodeId) ? [number * partitions + slice] : [])),
    );
  }

  copiesAskedOf(partition: number): number {
    const { classes, partitions } = this.configuration;
    const number = Math.floor(partition / partitions);
    const asked = classes.find((known) => known.number === number) ?? ownClass(this.configuration);
    return keepsConfiguration(partition) ? this.listOf(partition).length : asked.replicas + 1;
  }

  private moveOf(partition: number): Move | undefined {
    return this.moves.size === 0 ? undefined : this.moves.get(this.placeOf(partition));
  }

  private placeOf(partition: number): number {
    const { lists, partitions } = this.configuration;
    if (partition < partitions) {
      return partition;
    }
    if (keepsConfiguration(partition)) {
      return lists.length - 1;
    }
    const first = this.firstPlaces[Math.floor(partition / partitions)];
    return first === undefined ? -1 : first + (partition % partitions);
  }
}

/** Where the partitions of a class are; undefined for a class that there is not. */
export function listsOfClass(
  { classes, lists, partitions }: ClusterConfiguration,
  placement: number,
): ClusterConfiguration['lists'] | undefined {
  const row = classes.findIndex(({ number }) => number === placement);
  return row < 0 ? undefined : lists.slice(row * partitions, (row + 1) * partitions);
}

/** The partition of a place in the lists of a configuration. */
export function partitionAt(configuration: ClusterConfiguration, place: number): number {
  const { partitions } = configuration;
  const number = classAt(configuration, place);
  return number === undefined ? CONFIGURATION_GROUP : number * partitions + (place % partitions);
}

/** The place of a partition in the lists of a configuration; -1 for one of a class that there is not. */
export function placeOf({ lists, classes, partitions }: ClusterConfiguration, partition: number): number {
  if (keepsConfiguration(partition)) {
    return lists.length - 1;
  }
  const row = classes.findIndex(({ number }) => number === Math.floor(partition / partitions));
  return row < 0 ? -1 : row * partitions + (partition % partitions);
}

/** The class of a place in the lists of a configuration; undefined for that of the keepers. */
export function classAt({ classes, partitions }: ClusterConfiguration, place: number): number | undefined {
  return classes[Math.floor(place / partitions)]?.number;
}
