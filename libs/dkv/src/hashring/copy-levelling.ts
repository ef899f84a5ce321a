/** Brings every node to its quota of copies, with as many zones in each list as the quotas permit. */
import { ANY_COST, level, type Levelling, shiftBest } from './leveller.js';
import { ENTERS_CROWD, IMPOSSIBLE, LEAVES_CROWD, type Placement } from './placement.js';
import { fairShares } from './quotas.js';
import { weightedDraw } from './rendezvous.js';

export interface CopyTargets {
  /** Copies per node; their sum is that of all lists. */
  readonly quotas: readonly number[];
  readonly weights: readonly number[];
  readonly seeds: readonly number[];
  /** The nodes of each zone. */
  readonly zones: readonly (readonly number[])[];
  /** There is no table before: who is the holder is decided later. */
  readonly fresh: boolean;
}

interface CopyLevelling extends Levelling {
  /** Per zone, the crowded copies that its quotas make inevitable. */
  readonly crowdedMin: readonly number[];
}

/** Costs of a step in tiers: nothing in a lower tier outweighs a higher one. Zones go before movement. */
const ZONE_COST = 64;
const DISPLACING_COST = 16;
/** Of changes of the holder; the sum of two stays below a displacement. */
const MUST_CHANGE = 0;
const MAY_CHANGE = 1;
const WRONG_CHANGE = 3;
const NO_CHANGE = 2;

export function levelCopies(placement: Placement, targets: CopyTargets): void {
  const levelling = copyLevelling(placement, targets);
  relieveZones(placement, levelling);
  for (const costMax of [NO_CHANGE, DISPLACING_COST - 1, ZONE_COST - 1, ANY_COST]) {
    level(levelling, costMax);
  }
  swapZones(placement, levelling);
  const S = (globalThis as any).stats ?? {};
  const tot = (a: ArrayLike<number>) => Array.from(a).reduce((s, x) => s + x, 0);
  S.crowdedMin = tot(levelling.crowdedMin);
  ((S.crowdedAfter = tot(placement.crowded)),
    (S.bad = levelling.loads.reduce((s, l, i) => s + Math.abs(l - (levelling.quotas[i] ?? 0)), 0)));
}

function copyLevelling(placement: Placement, targets: CopyTargets): CopyLevelling {
  const { quotas, seeds, zones, fresh } = targets;
  const { partitions, held, zoneOf, crowded } = placement;
  const loads = Int32Array.from(held, ({ size }) => size);
  const holders = holderChanges(placement, targets);
  // A zone with more copies than partitions has two of them in some lists, however they lie.
  const crowdedMin = zones.map((zone) =>
    Math.max(0, zone.reduce((sum, node) => sum + quotas[node]!, 0) - partitions),
  );
  const zonesLost = (effect: number, from: number, to: number) => {
    if (effect === 0) {
      return 0;
    }
    const old = zoneOf[from]!;
    const next = zoneOf[to]!;
    const gained = (effect & LEAVES_CROWD) !== 0 && crowded[old]! > crowdedMin[old]!;
    const lost = (effect & ENTERS_CROWD) !== 0 && crowded[next]! >= crowdedMin[next]!;
    return (lost ? 1 : 0) - (gained ? 1 : 0);
  };
  return {
    crowdedMin,
    loads,
    quotas,
    partitionsOf: (node) => held[node]!,
    cost: (partition, from, to) => {
      const effect = placement.effectOf(partition, from, to);
      if (effect === IMPOSSIBLE) {
        return Infinity;
      }
      const displaces = loads[from]! <= (quotas[from] ?? 0) && placement.rankBefore(partition, from) >= 0;
      return (
        ZONE_COST * zonesLost(effect, from, to) +
        (displaces ? DISPLACING_COST : 0) +
        (fresh ? 0 : holders.cost(partition, from, to))
      );
    },
    draw: (partition, to) => weightedDraw(seeds[to]!, quotas[to]! / partitions, partition),
    shift: (partition, from, to) => {
      holders.shift(partition, from, to);
      loads[from]!--;
      loads[to]!++;
    },
  };
}

/** Copies are given and taken so that the holders come out right as well: a change of holder is a change, too. */
function holderChanges(placement: Placement, { weights }: CopyTargets) {
  const { partitions, held } = placement;
  const loads = new Int32Array(held.length);
  for (let partition = 0; partition < partitions; partition++) {
    loads[placement.at(partition, 0)]!++;
  }
  const shares = fairShares(weights, partitions, 1);
  const min = held.map((_, node) => Math.floor(shares[node] ?? 0));
  const max = held.map((_, node) => Math.ceil(shares[node] ?? 0));
  const givingCost = (node: number) =>
    loads[node]! > max[node]! ? MUST_CHANGE : loads[node]! > min[node]! ? MAY_CHANGE : WRONG_CHANGE;
  const takingCost = (node: number) =>
    loads[node]! < min[node]! ? MUST_CHANGE : loads[node]! < max[node]! ? MAY_CHANGE : WRONG_CHANGE;
  /** Also where another than `from` is the holder and has too much, while `to` has too little. */
  const changes = (holder: number, from: number, to: number) =>
    holder === from || (takingCost(to) === MUST_CHANGE && givingCost(holder) !== WRONG_CHANGE);
  return {
    cost: (partition: number, from: number, to: number) => {
      const holder = placement.at(partition, 0);
      return changes(holder, from, to) ? givingCost(holder) + takingCost(to) : NO_CHANGE;
    },
    shift: (partition: number, from: number, to: number) => {
      const holder = placement.at(partition, 0);
      const becomesHolder = changes(holder, from, to);
      placement.replace(partition, from, to);
      if (becomesHolder) {
        placement.swap(partition, 0, placement.rankOf(partition, to));
        loads[holder]!--;
        loads[to]!++;
      }
    },
  };
}

/** First of all, nodes with room take copies out of crowded lists: it saves swaps afterwards. */
function relieveZones(placement: Placement, levelling: CopyLevelling): void {
  if (!isAnyTooCrowded(placement, levelling)) {
    return;
  }
  const units = levelling.quotas.map((_, from) => ({
    from,
    partitions: [...placement.held[from]!].filter((partition) => placement.isCrowded(partition)),
  }));
  shiftBest(levelling, units, -1, () => true);
}

/** Last of all, copies of two lists change places where that ends a crowd. */
function swapZones(placement: Placement, levelling: CopyLevelling): void {
  // Where the last partner was found the next is near: scanning from there keeps this linear in practice.
  let other = 0;
  for (let partition = 0; partition < placement.partitions; partition++) {
    for (let scanned = 0; scanned < placement.partitions && isAnyTooCrowded(placement, levelling);) {
      const swapped = swapBetween(placement, levelling, partition, other);
      scanned = swapped ? 0 : scanned + 1;
      other = swapped ? other : (other + 1) % placement.partitions;
    }
  }
}

function swapBetween(
  placement: Placement,
  levelling: CopyLevelling,
  partition: number,
  other: number,
): boolean {
  for (let rank = 0; rank < placement.copies; rank++) {
    const from = placement.at(partition, rank);
    const zone = placement.zoneOf[from]!;
    for (
      let otherRank = 0;
      placement.crowded[zone]! > levelling.crowdedMin[zone]! && otherRank < placement.copies;
      otherRank++
    ) {
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

function isTooCrowded(placement: Placement, { crowdedMin }: CopyLevelling, partition: number): boolean {
  for (let rank = 1; rank < placement.copies; rank++) {
    const zone = placement.zoneOf[placement.at(partition, rank)]!;
    if (placement.crowded[zone]! > crowdedMin[zone]! && placement.isZoneBefore(partition, rank)) {
      return true;
    }
  }
  return false;
}

function isAnyTooCrowded({ crowded }: Placement, { crowdedMin }: CopyLevelling): boolean {
  return crowdedMin.some((min, zone) => crowded[zone]! > min);
}
