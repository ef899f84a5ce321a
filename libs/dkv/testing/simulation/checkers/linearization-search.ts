/** Looks for an order of concurrent operations that a sequential specification explains. */
import { type HistoryOperation } from '../history.js';

/** A sequential specification: states, and what an operation makes of one (undefined: it cannot come here). */
export interface SequentialModel<S> {
  readonly initial: S;
  apply(state: S, operation: HistoryOperation): S | undefined;
  /** Equal texts, equal states. */
  keyOf(state: S): string;
}

export type SearchResult =
  | { readonly found: true }
  /** `explained`: how many operations the best order had; `stuck`: the one that it could not place. */
  | { readonly found: false; readonly explained: number; readonly stuck: HistoryOperation }
  | { readonly found: undefined; readonly configurations: number };

/** The beginning or the end of an operation, in a doubly linked list by time. */
interface Entry {
  readonly index: number;
  readonly operation: HistoryOperation;
  readonly time: number;
  /** Of a beginning: its end, if it has one. */
  end: Entry | undefined;
  readonly isEnd: boolean;
  before: Entry | undefined;
  after: Entry | undefined;
}

/**
 * Wing and Gong, Testing and Verifying Concurrent Objects (J. Parallel Distrib. Comput. 17, 1993): try every
 * operation that no other one precedes, and go back. Lowe, Testing for Linearizability (Concurrency and
 * Computation 29(4), 2017): never enter a configuration (set of operations done, state) twice. An operation
 * that returns at infinity may be placed anywhere after its beginning, or nowhere.
 *
 * Exponential at worst: after `configurationsMax` configurations the answer is that it is not known.
 */
export function searchLinearization<S>(
  operations: readonly HistoryOperation[],
  model: SequentialModel<S>,
  configurationsMax: number,
): SearchResult {
  const head = linkEntries(operations);
  const done = new Uint32Array((operations.length + 31) >>> 5);
  const entered = new Set<string>();
  const path: { readonly entry: Entry; readonly state: S }[] = [];
  let state = model.initial;
  let open = operations.filter(({ returned }) => returned !== Infinity).length;
  let best = { explained: -1, stuck: operations[0]! };
  let entry = head.after;
  while (open > 0) {
    if (entry !== undefined && !entry.isEnd) {
      const next = model.apply(state, entry.operation);
      if (next !== undefined && enter(entered, done, entry.index, model.keyOf(next))) {
        if (entered.size > configurationsMax) {
          return { found: undefined, configurations: entered.size };
        }
        path.push({ entry, state });
        state = next;
        open -= entry.end === undefined ? 0 : 1;
        lift(entry);
        entry = head.after;
      } else {
        entry = entry.after;
      }
      continue;
    }
    if (entry !== undefined && path.length > best.explained) {
      best = { explained: path.length, stuck: entry.operation };
    }
    const last = path.pop();
    if (last === undefined) {
      return { found: false, ...best };
    }
    state = last.state;
    open += last.entry.end === undefined ? 0 : 1;
    done[last.entry.index >>> 5]! &= ~(1 << (last.entry.index & 31));
    putBack(last.entry);
    entry = last.entry.after;
  }
  return { found: true };
}

/** Marks operation `index` as done if that configuration is new; whether it was. */
function enter(entered: Set<string>, done: Uint32Array, index: number, stateKey: string): boolean {
  done[index >>> 5]! |= 1 << (index & 31);
  const key = `${done.join(',')}|${stateKey}`;
  if (entered.has(key)) {
    done[index >>> 5]! &= ~(1 << (index & 31));
    return false;
  }
  entered.add(key);
  return true;
}

function linkEntries(operations: readonly HistoryOperation[]): Entry {
  const blank = { end: undefined, before: undefined, after: undefined };
  const entries = operations.flatMap((operation, index): Entry[] => {
    const begin: Entry = { ...blank, index, operation, time: operation.invoked, isEnd: false };
    if (operation.returned === Infinity) {
      return [begin];
    }
    begin.end = { ...blank, index, operation, time: operation.returned, isEnd: true };
    return [begin, begin.end];
  });
  // At equal times beginnings come first: touching operations are concurrent.
  entries.sort((one, other) => one.time - other.time || Number(one.isEnd) - Number(other.isEnd));
  const head: Entry = { ...blank, index: -1, operation: operations[0]!, time: -Infinity, isEnd: false };
  let last = head;
  for (const entry of entries) {
    last.after = entry;
    entry.before = last;
    last = entry;
  }
  return head;
}

/** Takes an operation out of the list. */
function lift(entry: Entry): void {
  unlink(entry);
  if (entry.end !== undefined) {
    unlink(entry.end);
  }
}

function unlink(entry: Entry): void {
  entry.before!.after = entry.after;
  if (entry.after !== undefined) {
    entry.after.before = entry.before;
  }
}

/** Undoes {@link lift}: in the opposite order, each entry still knows its neighbours of then. */
function putBack(entry: Entry): void {
  if (entry.end !== undefined) {
    relink(entry.end);
  }
  relink(entry);
}

function relink(entry: Entry): void {
  entry.before!.after = entry;
  if (entry.after !== undefined) {
    entry.after.before = entry;
  }
}
