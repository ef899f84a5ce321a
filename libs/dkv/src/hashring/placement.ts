/** The table while it is worked on: which node sits at which rank of each partition's list. */

export interface PlacementShape {
  readonly partitions: number;
  /** Length of every list. */
  readonly copies: number;
  /** The zone of each node, as a small number; nodes of unknown zone have one each. */
  readonly zoneOf: readonly number[];
}

/** What replacing a node does to its list. Flags: the copy was, or becomes, a further one of its zone. */
export const LEAVES_CROWD = 1;
export const ENTERS_CROWD = 2;
export const IMPOSSIBLE = -1;

/** Nodes are numbers here. Every list is full and without repetition, before and after every change. */
export class Placement {
  readonly partitions: number;
  readonly copies: number;
  readonly zoneOf: readonly number[];
  /** The partitions of which a node has a copy. */
  readonly held: readonly Set<number>[];
  /** Per zone, how many of its copies are in a list with another of its copies at a lower rank. */
  readonly crowded: Int32Array;

  /**
   * @param slots node at `partition * copies + rank`; changed in place
   * @param before the same as it is in use up to now
   */
  constructor(
    { partitions, copies, zoneOf }: PlacementShape,
    readonly slots: Int32Array,
    private readonly before: Int32Array,
  ) {
    this.partitions = partitions;
    this.copies = copies;
    this.zoneOf = zoneOf;
    this.held = zoneOf.map(() => new Set<number>());
    this.crowded = new Int32Array(Math.max(...zoneOf) + 1);
    for (let partition = 0; partition < partitions; partition++) {
      for (let rank = 0; rank < copies; rank++) {
        const node = this.at(partition, rank);
        this.held[node]!.add(partition);
        this.crowded[zoneOf[node]!]! += this.isZoneBefore(partition, rank) ? 1 : 0;
      }
    }
  }

  at(partition: number, rank: number): number {
    return this.slots[partition * this.copies + rank]!;
  }

  /** -1: has no copy. */
  rankOf(partition: number, node: number): number {
    return this.find(this.slots, partition, node);
  }

  /** Its rank before the change; -1: had no copy. */
  rankBefore(partition: number, node: number): number {
    return this.find(this.before, partition, node);
  }

  /** What {@link replace} would do: flags, or IMPOSSIBLE if `from` is not in the list or `to` is. */
  effectOf(partition: number, from: number, to: number): number {
    const { slots, zoneOf } = this;
    const first = partition * this.copies;
    let isIn = false;
    let flags = 0;
    for (let slot = first; slot < first + this.copies; slot++) {
      const node = slots[slot]!;
      if (node === to) {
        return IMPOSSIBLE;
      }
      if (node === from) {
        isIn = true;
      } else {
        flags |= zoneOf[node] === zoneOf[from] ? LEAVES_CROWD : 0;
        flags |= zoneOf[node] === zoneOf[to] ? ENTERS_CROWD : 0;
      }
    }
    if (!isIn) {
      return IMPOSSIBLE;
    }
    return zoneOf[from] === zoneOf[to] ? 0 : flags;
  }

  /** `to` takes the place of `from`, at its rank. */
  replace(partition: number, from: number, to: number): void {
    const effect = this.effectOf(partition, from, to);
    this.crowded[this.zoneOf[from]!]! -= (effect & LEAVES_CROWD) === 0 ? 0 : 1;
    this.crowded[this.zoneOf[to]!]! += (effect & ENTERS_CROWD) === 0 ? 0 : 1;
    this.slots[partition * this.copies + this.rankOf(partition, from)] = to;
    this.held[from]!.delete(partition);
    this.held[to]!.add(partition);
  }

  swap(partition: number, rank: number, otherRank: number): void {
    const first = partition * this.copies;
    const node = this.slots[first + rank]!;
    this.slots[first + rank] = this.slots[first + otherRank]!;
    this.slots[first + otherRank] = node;
  }

  /** Whether the zone at `rank` has a copy at a lower rank. */
  isZoneBefore(partition: number, rank: number): boolean {
    const zone = this.zoneOf[this.at(partition, rank)];
    for (let before = 0; before < rank; before++) {
      if (this.zoneOf[this.at(partition, before)] === zone) {
        return true;
      }
    }
    return false;
  }

  /** Whether two copies are in one zone. */
  isCrowded(partition: number): boolean {
    for (let rank = 1; rank < this.copies; rank++) {
      if (this.isZoneBefore(partition, rank)) {
        return true;
      }
    }
    return false;
  }

  private find(slots: Int32Array, partition: number, node: number): number {
    const first = partition * this.copies;
    for (let rank = 0; rank < this.copies; rank++) {
      if (slots[first + rank] === node) {
        return rank;
      }
    }
    return -1;
  }
}
