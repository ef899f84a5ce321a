/** Moves load from nodes above their quota to nodes below it: in one step where possible, by chains where not. */

/** What is levelled: loads of nodes, and how a unit of load is handed from one to another. */
export interface Levelling {
  /** Kept up to date by `shift`. Nodes from `quotas.length` on should hold nothing. */
  readonly loads: Int32Array;
  readonly quotas: readonly number[];
  /** Where `node` has a unit that it can give. */
  partitionsOf(node: number): Iterable<number>;
  /** The only nodes that can take a unit of a partition; not given: all can. */
  takersOf?(partition: number): Iterable<number>;
  /** A whole number, lower is better; Infinity: impossible. */
  cost(partition: number, from: number, to: number): number;
  /** Decides between equal costs: 0 to 1, lower is better. */
  draw(partition: number, to: number): number;
  shift(partition: number, from: number, to: number): void;
}

/** One unit of load handed on. */
export interface Step {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

interface Offer extends Step {
  readonly cost: number;
  readonly draw: number;
}

/** As `costMax`: every step that is possible at all. */
export const ANY_COST = Number.MAX_SAFE_INTEGER;

/**
 * Levels as far as steps of at most `costMax` allow. Augmenting paths, as in the flow formulation of placing
 * data (Ford and Fulkerson 1956), shortest first (Edmonds and Karp 1972): little is shifted beyond what must.
 */
export function level(levelling: Levelling, costMax: number): void {
  while (shiftDirectly(levelling, costMax)) {
    // Costs change with every shift, so look again until nothing is left that goes in one step.
  }
  // Where one chain got stuck, another would too.
  const deadEnds = new Set<number>();
  for (const node of levelling.loads.keys()) {
    while (surplusOf(levelling, node) > 0 && !deadEnds.has(node)) {
      for (const { partition, from, to } of findChain(levelling, node, costMax, deadEnds)) {
        levelling.shift(partition, from, to);
      }
    }
  }
}

/** Hands units on, each to the best taker, best offers first; whether there were any. */
function shiftDirectly(levelling: Levelling, costMax: number): boolean {
  const givers = [...levelling.loads.keys()].filter((node) => surplusOf(levelling, node) > 0);
  const takers = [...levelling.quotas.keys()].filter((node) => surplusOf(levelling, node) < 0);
  const offers: Offer[] = [];
  for (const from of takers.length > 0 ? givers : []) {
    for (const partition of levelling.partitionsOf(from)) {
      const offer = bestOffer(levelling, partition, from, takers, costMax);
      if (offer !== undefined) {
        offers.push(offer);
      }
    }
  }
  offers.sort((a, b) => a.cost - b.cost || a.draw - b.draw || a.partition - b.partition || a.from - b.from);
  let shifted = false;
  for (const { partition, from, to, cost } of offers) {
    const wanted = surplusOf(levelling, from) > 0 && surplusOf(levelling, to) < 0;
    if (wanted && levelling.cost(partition, from, to) <= cost) {
      levelling.shift(partition, from, to);
      shifted = true;
    }
  }
  return shifted;
}

function bestOffer(
  levelling: Levelling,
  partition: number,
  from: number,
  takers: readonly number[],
  costMax: number,
): Offer | undefined {
  let best: Offer | undefined;
  for (const to of levelling.takersOf?.(partition) ?? takers) {
    if (surplusOf(levelling, to) >= 0) {
      continue;
    }
    const cost = levelling.cost(partition, from, to);
    if (cost <= (best?.cost ?? costMax)) {
      const draw = levelling.draw(partition, to);
      if (best === undefined || cost < best.cost || draw < best.draw) {
        best = { partition, from, to, cost, draw };
      }
    }
  }
  return best;
}

/**
 * The shortest chain of steps of at most `costMax` that takes a unit from `start` to a node below its quota,
 * its last step first. Empty if there is none; the nodes that were reached then join `deadEnds`.
 */
function findChain(levelling: Levelling, start: number, costMax: number, deadEnds: Set<number>): Step[] {
  const reachedBy = new Map<number, Step>();
  const unreached = new Set([...levelling.quotas.keys()].filter((node) => !deadEnds.has(node)));
  unreached.delete(start);
  const queue = [start];
  for (const from of queue) {
    for (const partition of unreached.size > 0 ? levelling.partitionsOf(from) : []) {
      for (const to of levelling.takersOf?.(partition) ?? unreached) {
        if (unreached.has(to) && levelling.cost(partition, from, to) <= costMax) {
          reachedBy.set(to, { partition, from, to });
          if (surplusOf(levelling, to) < 0) {
            return stepsTo(to, reachedBy);
          }
          unreached.delete(to);
          queue.push(to);
        }
      }
    }
  }
  queue.forEach((node) => deadEnds.add(node));
  return [];
}

function stepsTo(goal: number, reachedBy: ReadonlyMap<number, Step>): Step[] {
  const steps: Step[] = [];
  for (let step = reachedBy.get(goal); step !== undefined; step = reachedBy.get(step.from)) {
    steps.push(step);
  }
  return steps;
}

/** Below 0: the node may take that much. */
function surplusOf({ loads, quotas }: Levelling, node: number): number {
  return loads[node]! - (quotas[node] ?? 0);
}
