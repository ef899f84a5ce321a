/** Orders the nodes of each list so that holders, and every prefix of the lists, are spread by weight. */
import { ANY_COST, level, type Levelling } from './leveller.js';
import { type Placement } from './placement.js';
import { drawOf } from './pseudo-random.js';
import { fairShares, loadLimit, roundNear } from './quotas.js';

export interface RankTargets {
  readonly weights: readonly number[];
  readonly seeds: readonly number[];
}

/**
 * Every prefix, not only the holder: the next in the list serves when the holder is down, and a namespace with
 * fewer replicas than the ring is held by a prefix.
 */
export function levelRanks(placement: Placement, targets: RankTargets): void {
  const { partitions, copies, held } = placement;
  for (let partition = 0; partition < partitions; partition++) {
    putZonesFirst(placement, partition);
  }
  for (let rank = 0; rank < copies - 1; rank++) {
    const total = partitions * (rank + 1);
    const shares = fairShares(targets.weights, partitions, rank + 1);
    const copiesOf = shares.map((_, node) => held[node]!.size);
    const levelling = prefixLevelling(placement, targets, rank);
    level({ ...levelling, quotas: roundNear(shares, total, levelling.loads, copiesOf) }, ANY_COST);
    // The lists may not allow these very quotas; then at least no one is above its limit.
    const limits = shares.map((share, node) => Math.min(loadLimit(share, partitions), copiesOf[node]!));
    level({ ...levelling, quotas: limits }, ANY_COST);
  }
}

function prefixLevelling(
  placement: Placement,
  { weights, seeds }: RankTargets,
  rank: number,
): Omit<Levelling, 'quotas'> {
  const { partitions, copies, held } = placement;
  const loads = new Int32Array(weights.length);
  for (let partition = 0; partition < partitions; partition++) {
    for (let r = 0; r <= rank; r++) {
      loads[placement.at(partition, r)]!++;
    }
  }
  // Who was in the prefix should stay in it: a holder has what its replicas have still to catch up with.
  const wasInPrefix = (partition: number, node: number) => {
    const before = placement.rankBefore(partition, node);
    return before >= 0 && before <= rank ? 1 : 0;
  };
  return {
    loads,
    *partitionsOf(node) {
      for (const partition of held[node]!) {
        if (placement.at(partition, rank) === node) {
          yield partition;
        }
      }
    },
    takersOf: (partition) =>
      placement.slots.subarray(partition * copies + rank + 1, (partition + 1) * copies),
    cost: (partition, from, to) =>
      maySwap(placement, partition, rank, placement.rankOf(partition, to))
        ? wasInPrefix(partition, from) - wasInPrefix(partition, to)
        : Infinity,
    draw: (partition, to) => drawOf(seeds[to]!, partition),
    shift: (partition, from, to) => {
      placement.swap(partition, rank, placement.rankOf(partition, to));
      loads[from]!--;
      loads[to]!++;
    },
  };
}

function maySwap(placement: Placement, partition: number, rank: number, otherRank: number): boolean {
  placement.swap(partition, rank, otherRank);
  const allowed = areZonesFirst(placement, partition);
  placement.swap(partition, rank, otherRank);
  return allowed;
}

/** Whether each first copy in a zone comes before every further copy in a zone. */
function areZonesFirst(placement: Placement, partition: number): boolean {
  for (let rank = 2; rank < placement.copies; rank++) {
    if (placement.isZoneBefore(partition, rank - 1) && !placement.isZoneBefore(partition, rank)) {
      return false;
    }
  }
  return true;
}

/** Otherwise keeps the order. */
function putZonesFirst(placement: Placement, partition: number): void {
  for (let next = 1; next < placement.copies; next++) {
    if (placement.isZoneBefore(partition, next)) {
      continue;
    }
    for (let rank = next; placement.isZoneBefore(partition, rank - 1); rank--) {
      placement.swap(partition, rank, rank - 1);
    }
  }
}
