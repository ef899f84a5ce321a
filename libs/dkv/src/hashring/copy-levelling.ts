/** Brings every node to its quota of copies, moving little and keeping zones and holders apart. */
import { ANY_COST, level } from './leveller.js';
import { ENTERS_CROWD, IMPOSSIBLE, LEAVES_CROWD, type Placement } from './placement.js';
import { fairShares } from './quotas.js';
import { weightedDraw } from './rendezvous.js';
import { crowdedMinOf, swapZones, type ZonedLevelling } from './zone-spreading.js';

export interface CopyTargets {
  /** Copies per node; their sum is that of all lists. */
  readonly quotas: readonly number[];
  readonly weights: readonly number[];
  readonly seeds: readonly number[];
  /** The nodes of each zone. */
  readonly zones: readonly (readonly number[])[];
  /** There was no table before, so there are no holders to keep. */
  readonly fresh: boolean;
}

/** Costs of a step, in tiers: nothing in a lower tier outweighs a higher one. */
const ZONE_COST = 64;
/** Someone who is at his quota gives a copy that he had before, only to take another. */
const DISPLACING_COST = 16;
/** For each of the two nodes whose holdings change. */
const HOLDER_MUST_COST = 0;
const HOLDER_MAY_COST = 1;
const HOLDER_WRONG_COST = 3;
const SAME_HOLDER_COST = 2;

/** Zones go before movement: a copy moves twice rather than two copies of a key share a zone. */
export function levelCopies(placement: Placement, targets: CopyTargets): void {
  const levelling = copyLevelling(placement, targets);
  for (const costMax of [SAME_HOLDER_COST, DISPLACING_COST - 1, ZONE_COST - 1, ANY_COST]) {
    level(levelling, costMax);
  }
  swapZones(placement, levelling);
}

function copyLevelling(placement: Placement, targets: CopyTargets): ZonedLevelling {
  const { quotas, seeds, zones, fresh } = targets;
  const { partitions, held, zoneOf, crowded } = placement;
  const loads = Int32Array.from(held, ({ size }) => size);
  const holders = holderChanges(placement, targets);
  const crowdedMin = crowdedMinOf(zones, quotas, partitions);
  const zonesLost = (effect: number, from: number, to: number) => {
    const leaves = (effect & LEAVES_CROWD) !== 0 && crowded[zoneOf[from]!]! > crowdedMin[zoneOf[from]!]!;
    const enters = (effect & ENTERS_CROWD) !== 0 && crowded[zoneOf[to]!]! >= crowdedMin[zoneOf[to]!]!;
    return (enters ? 1 : 0) - (leaves ? 1 : 0);
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
        (effect === 0 ? 0 : ZONE_COST * zonesLost(effect, from, to)) +
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

/**
 * Gives and takes copies so that the holders come out right by the way: whoever takes a copy may become the
 * holder, and copies go to where that is due, so that few holders change for their own sake afterwards.
 */
function holderChanges(placement: Placement, { weights }: CopyTargets) {
  const { partitions, held } = placement;
  const loads = new Int32Array(held.length);
  for (let partition = 0; partition < partitions; partition++) {
    loads[placement.at(partition, 0)]!++;
  }
  const shares = fairShares(weights, partitions, 1);
  const min = held.map((_, node) => Math.floor(shares[node] ?? 0));
  const max = held.map((_, node) => Math.ceil(shares[node] ?? 0));
  const givingCost = (node: number) => {
    if (loads[node]! > max[node]!) {
      return HOLDER_MUST_COST;
    }
    return loads[node]! > min[node]! ? HOLDER_MAY_COST : HOLDER_WRONG_COST;
  };
  const takingCost = (node: number) => {
    if (loads[node]! < min[node]!) {
      return HOLDER_MUST_COST;
    }
    return loads[node]! < max[node]! ? HOLDER_MAY_COST : HOLDER_WRONG_COST;
  };
  /** Also where the holder stays in the list, if it can spare the role and `to` lacks it. */
  const becomesHolder = (holder: number, from: number, to: number) =>
    holder === from || (takingCost(to) === HOLDER_MUST_COST && givingCost(holder) !== HOLDER_WRONG_COST);
  return {
    cost: (partition: number, from: number, to: number) => {
      const holder = placement.at(partition, 0);
      return becomesHolder(holder, from, to) ? givingCost(holder) + takingCost(to) : SAME_HOLDER_COST;
    },
    shift: (partition: number, from: number, to: number) => {
      const holder = placement.at(partition, 0);
      const changes = becomesHolder(holder, from, to);
      placement.replace(partition, from, to);
      if (changes) {
        placement.swap(partition, 0, placement.rankOf(partition, to));
        loads[holder]!--;
        loads[to]!++;
      }
    },
  };
}
