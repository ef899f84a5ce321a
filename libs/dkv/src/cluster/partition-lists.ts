/** Which nodes a partition is on, and which it is to be on, by one configuration: asked for hundreds of groups several times a second. */
import { type ClusterConfiguration, CONFIGURATION_GROUP, type Move } from '../model/membership.js';
import { ownClass } from './cluster-configuration.js';

const NOWHERE: readonly string[] = Object.freeze([]);

/** Of partitions of a class that the configuration does not have there are no nodes. */
export class PartitionLists {
  private readonly moves: ReadonlyMap<number, Move>;
  /** By number of the class, where its lists begin. */
  private readonly firstPlaces: readonly (number | undefined)[];
  // Made when they are asked for first.
  private readonly unions = new Map<number, readonly string[]>();

  constructor(private readonly configuration: ClusterConfiguration) {
    const { moving, classes, partitions } = configuration;
    this.moves = new Map(moving.map((move) => [move.place, move]));
    const firstPlaces: (number | undefined)[] = [];
    for (const [index, { number }] of classes.entries()) {
      firstPlaces[number] = index * partitions;
    }
    this.firstPlaces = firstPlaces;
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
    return partition === CONFIGURATION_GROUP ? this.listOf(partition).length : asked.replicas + 1;
  }

  private moveOf(partition: number): Move | undefined {
    return this.moves.size === 0 ? undefined : this.moves.get(this.placeOf(partition));
  }

  private placeOf(partition: number): number {
    const { lists, partitions } = this.configuration;
    if (partition < partitions) {
      return partition;
    }
    if (partition === CONFIGURATION_GROUP) {
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
export function partitionAt({ lists, classes, partitions }: ClusterConfiguration, place: number): number {
  return place === lists.length - 1
    ? CONFIGURATION_GROUP
    : classes[Math.floor(place / partitions)]!.number * partitions + (place % partitions);
}
