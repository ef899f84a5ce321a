/** Gets as many zones into each list as the quotas of copies permit. */
import { type Levelling } from './leveller.js';
import { ENTERS_CROWD, IMPOSSIBLE, LEAVES_CROWD, type Placement } from './placement.js';

/** A levelling of copies that knows how many crowded copies each zone cannot avoid. */
export interface ZonedLevelling extends Levelling {
  readonly crowdedMin: readonly number[];
}

/** A zone with more copies than there are partitions has two of them in some lists, however they lie. */
export function crowdedMinOf(
  zones: readonly (readonly number[])[],
  quotas: readonly number[],
  partitions: number,
): number[] {
  return zones.map((zone) => {
    const copies = zone.reduce((sum, node) => sum + quotas[node]!, 0);
    return Math.max(0, copies - partitions);
  });
}

/**
 * After levelling: copies of two lists change places where that ends a crowd. A zone with too many crowded
 * copies is missing in some list, and a list that lacks it nearly always has a copy to give for one.
 */
export function swapZones(placement: Placement, levelling: ZonedLevelling): void {
  const { partitions } = placement;
  // Where one partner was found the next is near: going on from there keeps this linear in practice.
  let other = 0;
  for (let partition = 0; partition < partitions; partition++) {
    for (let missed = 0; missed < partitions && isTooCrowded(placement, levelling, partition);) {
      if (swapBetween(placement, levelling, partition, other)) {
        missed = 0;
      } else {
        missed++;
        other = (other + 1) % partitions;
      }
    }
  }
}

function swapBetween(placement: Placement, levelling: ZonedLevelling, partition: number, other: number) {
  // From the end of the lists, so that holders stay.
  for (let rank = placement.copies - 1; rank >= 0; rank--) {
    for (let otherRank = placement.copies - 1; otherRank >= 0; otherRank--) {
      const from = placement.at(partition, rank);
      const to = placement.at(other, otherRank);
      const here = crowdingBy(placement.effectOf(partition, from, to));
      const there = crowdingBy(placement.effectOf(other, to, from));
      if (here + there < 0) {
        levelling.shift(partition, from, to);
        levelling.shift(other, to, from);
        return true;
      }
    }
  }
  return false;
}

function crowdingBy(effect: number): number {
  if (effect === IMPOSSIBLE) {
    return Infinity;
  }
  return ((effect & ENTERS_CROWD) === 0 ? 0 : 1) - ((effect & LEAVES_CROWD) === 0 ? 0 : 1);
}

/** Whether the list has a further copy of a zone that has more of those than it must. */
function isTooCrowded(placement: Placement, { crowdedMin }: ZonedLevelling, partition: number): boolean {
  for (let rank = 1; rank < placement.copies; rank++) {
    const zone = placement.zoneOf[placement.at(partition, rank)]!;
    if (placement.crowded[zone]! > crowdedMin[zone]! && placement.isZoneBefore(partition, rank)) {
      return true;
    }
  }
  return false;
}
