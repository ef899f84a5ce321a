/** The first guess of a table: every partition draws its nodes by hash, by weight, distinct zones first. */
import { drawOf } from './pseudo-random.js';

/** What can be drawn. */
export interface Candidate {
  readonly seed: number;
  /** Chance to be among the drawn, 0 to 1. */
  readonly chance: number;
}

export interface DrawnNode extends Candidate {
  /** Its number in the table. */
  readonly node: number;
  /** Share of the copies relative to the weight: high for a node that is a replica more often than a holder. */
  readonly copiesPerWeight: number;
}

export interface DrawnZone extends Candidate {
  /** Copies of every partition that the zone has in any case; `chance` is for one more. */
  readonly always: number;
  /** Its nodes, with their chances when the zone has `always` copies, and when it has one more. */
  readonly nodes: readonly [readonly DrawnNode[], readonly DrawnNode[]];
}

/**
 * The draw of a candidate for a partition, 0 to 1; the lowest are taken. It depends on the candidate alone, so
 * with one candidate more or less the others keep their order: rendezvous hashing (Thaler and Ravishankar
 * 1998). The weighting is Pareto order sampling (Rosén 1997, On sampling with probability proportional to
 * size): of candidates whose chances sum to k, the k lowest of u(1-c) / ((1-u)c), u uniform, hold each with
 * nearly its chance c. Unlike the usual -ln(u)/weight it fits draws without replacement, and it needs no
 * logarithm, whose last bit differs between machines. Here x / (1 + x) of it.
 */
export function weightedDraw(seed: number, chance: number, partition: number): number {
  const draw = drawOf(seed, partition);
  const against = draw * (1 - chance);
  return against / (against + (1 - draw) * chance);
}

/** Lists of distinct nodes, holder first: node at `partition * copies + rank`. Loads are near the shares. */
export function drawLists(zones: readonly DrawnZone[], partitions: number, copies: number): Int32Array {
  const slots = new Int32Array(partitions * copies);
  const always = zones.filter((zone) => zone.always > 0);
  const drawnZones = copies - zones.reduce((sum, { always }) => sum + always, 0);
  for (let partition = 0; partition < partitions; partition++) {
    const withOneMore = lowestDraws(zones, drawnZones, partition);
    const list: { node: number; turn: number }[] = [];
    for (const zone of new Set([...always, ...withOneMore])) {
      const more = withOneMore.includes(zone) ? 1 : 0;
      for (const drawn of lowestDraws(zone.nodes[more], zone.always + more, partition)) {
        // The order of a list is drawn apart: who is the holder must not follow from who got in easily.
        const turn = drawOf(~drawn.seed, partition) * drawn.copiesPerWeight;
        list.push({ node: drawn.node, turn });
      }
    }
    list.sort((a, b) => a.turn - b.turn || a.node - b.node);
    list.forEach(({ node }, rank) => (slots[partition * copies + rank] = node));
  }
  return slots;
}

function lowestDraws<C extends Candidate>(candidates: readonly C[], count: number, partition: number): C[] {
  const lowest: C[] = [];
  const draws: number[] = [];
  if (count === 0 || count === candidates.length) {
    return candidates.slice(0, count);
  }
  for (const candidate of candidates) {
    const draw = weightedDraw(candidate.seed, candidate.chance, partition);
    if (draws.length < count || draw < draws[count - 1]!) {
      let place = Math.min(draws.length, count - 1);
      for (; place > 0 && draws[place - 1]! > draw; place--) {
        draws[place] = draws[place - 1]!;
        lowest[place] = lowest[place - 1]!;
      }
      draws[place] = draw;
      lowest[place] = candidate;
    }
  }
  return lowest;
}
