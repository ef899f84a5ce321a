/** How many copies each node should hold: shares by weight, and their rounding to whole partitions. */

/** The most a node may hold, relative to its fair share by weight, where that is above one more partition. */
export const IMBALANCE_MAX = 1.05;

/**
 * Splits `total` by `weights`, no one above its cap; what a cap cuts off goes to the others by weight
 * (water-filling). Needs only +, -, *, / on doubles in a fixed order, so it is the same everywhere.
 */
export function waterFill(weights: readonly number[], caps: readonly number[], total: number): number[] {
  const heaviest = Math.max(...weights);
  // The sum must not overflow, nor the lightest vanish.
  const scaled = weights.map((weight) => Math.max(weight / heaviest, 1e-200));
  const soonestFull = scaled
    .map((_, i) => i)
    .sort((a, b) => caps[a]! / scaled[a]! - caps[b]! / scaled[b]! || a - b);
  const weightFrom = new Array<number>(scaled.length + 1).fill(0);
  for (let k = scaled.length - 1; k >= 0; k--) {
    weightFrom[k] = weightFrom[k + 1]! + scaled[soonestFull[k]!]!;
  }
  const shares = [...caps];
  let rest = total;
  for (const [k, i] of soonestFull.entries()) {
    const perWeight = rest / weightFrom[k]!;
    if (scaled[i]! * perWeight < caps[i]!) {
      // No later one meets its cap either.
      for (const j of soonestFull.slice(k)) {
        shares[j] = snap(scaled[j]! * perWeight);
      }
      break;
    }
    rest -= caps[i]!;
  }
  return shares;
}

/** The fair share of each node of `copies` copies of all partitions: by weight, one copy of a partition each. */
export function fairShares(weights: readonly number[], partitions: number, copies: number): number[] {
  const caps = weights.map(() => partitions);
  return waterFill(weights, caps, partitions * copies);
}

/** What a node may hold at most: 1.05 times its share, or the share rounded up; never a partition twice. */
export function loadLimit(share: number, partitions: number): number {
  return Math.min(partitions, Math.max(Math.floor(IMBALANCE_MAX * share), Math.ceil(share)));
}

/** A share that, rounded up, is within {@link loadLimit}; without its jumps, at which many copies would move. */
function roomyShare(share: number, partitions: number): number {
  return Math.min(partitions, Math.max(share, IMBALANCE_MAX * share - 1));
}

/**
 * Shares that let more lists have distinct zones: a zone with more than P copies puts two of them into one
 * list, so what it has too much goes to zones with less, as far as {@link loadLimit} lets their nodes take it.
 * @param zones the nodes of each zone, by index
 */
export function zonedShares(
  weights: readonly number[],
  zones: readonly (readonly number[])[],
  partitions: number,
  copies: number,
): number[] {
  const shares = fairShares(weights, partitions, copies);
  const sumOf = (zone: readonly number[], values: readonly number[]) =>
    zone.reduce((sum, i) => sum + values[i]!, 0);
  const limits = shares.map((share) => roomyShare(share, partitions));
  const totals = zones.map((zone) => sumOf(zone, shares));
  const excess = totals.map((total) => Math.max(0, total - partitions));
  const room = totals.map((total, z) => Math.max(0, Math.min(partitions, sumOf(zones[z]!, limits)) - total));
  const excessSum = excess.reduce((sum, value) => sum + value, 0);
  const roomSum = room.reduce((sum, value) => sum + value, 0);
  const shifted = Math.min(excessSum, roomSum);
  if (shifted === 0) {
    return shares;
  }
  for (const [z, zone] of zones.entries()) {
    const given = (shifted * excess[z]!) / excessSum;
    const taken = (shifted * room[z]!) / roomSum;
    if (given > 0 || taken > 0) {
      const own = waterFill(
        zone.map((i) => weights[i]!),
        zone.map((i) => limits[i]!),
        totals[z]! - given + taken,
      );
      zone.forEach((i, k) => (shares[i] = own[k]!));
    }
  }
  return shares;
}

/**
 * Whole numbers that sum to `total`, each its share rounded down or up: the one nearer to `current`, so that
 * as little as possible moves; where that does not give the sum, the largest remainders are rounded up.
 * @param ceilings what each may have at most, below its share if need be
 */
export function roundNear(
  shares: readonly number[],
  total: number,
  current: ArrayLike<number>,
  ceilings?: ArrayLike<number>,
): number[] {
  const ceilingOf = (i: number) => ceilings?.[i] ?? Infinity;
  const highest = shares.map((share, i) => Math.min(Math.ceil(share), ceilingOf(i)));
  const lowest = shares.map((share, i) => Math.min(Math.floor(share), ceilingOf(i)));
  const quotas = shares.map((_, i) => Math.min(Math.max(current[i]!, lowest[i]!), highest[i]!));
  const remainder = (i: number) => shares[i]! - lowest[i]!;
  const byRemainder = shares.map((_, i) => i).sort((a, b) => remainder(b) - remainder(a) || a - b);
  let missing = total - quotas.reduce((sum, quota) => sum + quota, 0);
  for (const i of byRemainder) {
    if (missing > 0 && quotas[i]! < highest[i]!) {
      quotas[i]!++;
      missing--;
    }
  }
  for (const i of byRemainder.reverse()) {
    if (missing < 0 && quotas[i]! > lowest[i]!) {
      quotas[i]!--;
      missing++;
    }
  }
  return quotas;
}

/** {@link roundNear} for zones first, then for the nodes of each: rounding must not push a zone above P. */
export function roundZonesNear(
  shares: readonly number[],
  zones: readonly (readonly number[])[],
  total: number,
  current: ArrayLike<number>,
): number[] {
  const sumOf = (zone: readonly number[], values: ArrayLike<number>) =>
    zone.reduce((sum, i) => sum + values[i]!, 0);
  const zoneTotals = roundNear(
    zones.map((zone) => snap(sumOf(zone, shares))),
    total,
    zones.map((zone) => sumOf(zone, current)),
  );
  const quotas = new Array<number>(shares.length).fill(0);
  for (const [z, zone] of zones.entries()) {
    const own = roundNear(
      zone.map((i) => shares[i]!),
      zoneTotals[z]!,
      zone.map((i) => current[i]!),
    );
    zone.forEach((i, k) => (quotas[i] = own[k]!));
  }
  return quotas;
}

/** Shares that are whole but for the last bits of a double are whole: rounding up must not add a partition. */
function snap(share: number): number {
  const whole = Math.round(share);
  return Math.abs(share - whole) < 1e-7 ? whole : share;
}
