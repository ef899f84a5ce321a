/** A counter for eventual namespaces: each replica counts for itself, so no concurrent addition is lost. */
import { type Merger, type MergeSide } from '../ports/merger.js';

/**
 * What each replica added and took away in all, by replica name. Whole numbers from 1 to `Number.MAX_SAFE_INTEGER`;
 * names in order, so that equal counters have equal bytes. Make it with `PnCounter.empty` and `.add`.
 */
export interface PnCounter {
  readonly plus: Readonly<Record<string, number>>;
  readonly minus: Readonly<Record<string, number>>;
}

/** Pure functions on counters; the counters given are not changed. */
export const PnCounter = {
  empty: (): PnCounter => {
    return { plus: {}, minus: {} };
  },

  /**
   * `counter` with `amount` (negative to take away) counted for `replica`.
   *
   * One name belongs to one writer that goes one step at a time: the node's id where the application queues the
   * changes of a key (read, add, write, then the next). Two additions under one name that start from the same counter
   * count once, the larger one.
   * @throws TypeError when `replica` is empty or `__proto__`, or `amount` is not a safe integer; RangeError when the
   *   replica's sum would no longer be one.
   */
  add: (counter: PnCounter, replica: string, amount: number): PnCounter => {
    assertReplica(replica);
    if (!Number.isSafeInteger(amount)) {
      throw new TypeError(`The amount to count must be a safe integer; got ${String(amount)}.`);
    }
    if (amount === 0) {
      return counter;
    }
    const plus = countsOf(counter, 'plus');
    const minus = countsOf(counter, 'minus');
    const counts = amount > 0 ? plus : minus;
    const sum = (counts.get(replica) ?? 0) + Math.abs(amount);
    if (!Number.isSafeInteger(sum)) {
      throw new RangeError(
        `Replica ${JSON.stringify(replica)} cannot count ${amount} more: its sum would pass ${Number.MAX_SAFE_INTEGER}.`,
      );
    }
    counts.set(replica, sum);
    return counterOf(plus, minus);
  },

  /** The count: exact as long as it is a safe integer. @throws TypeError when `counter` is not a counter. */
  read: (counter: PnCounter): number => {
    return Number(sumOf(countsOf(counter, 'plus')) - sumOf(countsOf(counter, 'minus')));
  },
};

/**
 * Joins two counters by the larger sum of each replica. Removing the key is no addition and is not merged: to begin at
 * zero again, take the count away.
 *
 * Throws a `TypeError`, which the store's caller sees as `DKV_CODEC_FAILED`, when a side is not a counter.
 *
 * Source: Shapiro, Preguiça, Baquero and Zawirski, A comprehensive study of Convergent and Commutative Replicated Data
 * Types, INRIA RR-7506 (2011), section 3.1.3, state-based PN-Counter.
 */
export class PnCounterMerger implements Merger<PnCounter> {
  readonly name = 'pn-counter';

  merge(current: MergeSide<PnCounter>, incoming: MergeSide<PnCounter>): PnCounter {
    const joined = counterOf(
      larger(countsOf(current.value, 'plus'), countsOf(incoming.value, 'plus')),
      larger(countsOf(current.value, 'minus'), countsOf(incoming.value, 'minus')),
    );
    const text = JSON.stringify(joined);
    return [incoming.value, current.value].find((side) => JSON.stringify(side) === text) ?? joined;
  }
}

type Counts = Map<string, number>;

/** A Map: names come from decoded bytes, and an object would take `constructor` for its own. */
function countsOf(counter: PnCounter, direction: 'plus' | 'minus'): Counts {
  const counts: unknown = (counter as PnCounter | null | undefined)?.[direction];
  if (typeof counts !== 'object' || counts === null || Array.isArray(counts)) {
    throw new TypeError(
      `A counter must be { plus, minus }, each an object of counts by replica; got ${typeof counts} for ${direction}.`,
    );
  }
  const byReplica: Counts = new Map();
  for (const [replica, count] of Object.entries(counts) as [string, unknown][]) {
    assertReplica(replica);
    if (!Number.isSafeInteger(count) || (count as number) < 0) {
      throw new TypeError(
        `A counter's ${direction} of replica ${JSON.stringify(replica)} must be a safe integer from 0; got ` +
          `${typeof count === 'number' ? count : typeof count}.`,
      );
    }
    byReplica.set(replica, count as number);
  }
  return byReplica;
}

function assertReplica(replica: unknown): void {
  // MessagePack does not carry a field __proto__ under its own name.
  if (typeof replica !== 'string' || replica === '' || replica === '__proto__') {
    throw new TypeError(
      `A counter's replica must be a text, not empty and not "__proto__"; got ` +
        `${typeof replica === 'string' ? JSON.stringify(replica) : typeof replica}.`,
    );
  }
}

function larger(a: Counts, b: Counts): Counts {
  const joined = new Map(a);
  for (const [replica, count] of b) {
    joined.set(replica, Math.max(count, joined.get(replica) ?? 0));
  }
  return joined;
}

function counterOf(plus: Counts, minus: Counts): PnCounter {
  return { plus: fieldsOf(plus), minus: fieldsOf(minus) };
}

/** A count of 0 says nothing and is left out: a counter has one form. */
function fieldsOf(counts: Counts): Record<string, number> {
  const counted = [...counts].filter(([, count]) => count > 0);
  return Object.fromEntries(counted.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** In bigint: the sum of many replicas may pass what a number holds exactly while the difference does not. */
function sumOf(counts: Counts): bigint {
  return [...counts.values()].reduce((sum, count) => sum + BigInt(count), 0n);
}
