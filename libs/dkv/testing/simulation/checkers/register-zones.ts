/** Linearizability of a register whose writes all have distinct values, in the time of a sort. */
import { type HistoryOperation } from '../history.js';
import { type Finding } from './finding.js';

/** The operations of one value: its write and the reads that saw it. */
interface Cluster {
  readonly value: string | undefined;
  /** Undefined for the value that was there at the beginning: none. */
  readonly write: HistoryOperation | undefined;
  readonly reads: HistoryOperation[];
  /** The earliest return: from here on the value had been written. */
  firstReturn: number;
  /** The latest invocation: until here the value was in force. */
  lastInvoked: number;
}

/** Whether `operations` are only reads and writes of values that no two writes share, and tell no more than that. */
export function isDistinctRegister(operations: readonly HistoryOperation[]): boolean {
  const values = new Set<string>();
  for (const { action, outcome } of operations) {
    if (outcome.kind === 'ok' && outcome.existed !== undefined) {
      return false;
    }
    if (action.kind === 'write') {
      if (values.has(action.value) || (action.ttlMs ?? 0) > 0) {
        return false;
      }
      values.add(action.value);
    } else if (action.kind !== 'read') {
      return false;
    }
  }
  return true;
}

/**
 * Checks the operations of one key that starts empty. Source: Gibbons and Korach, Testing Shared Memories (SIAM
 * J. Comput. 26(4), 1997), section 4: with distinct values the history is linearizable if and only if no read
 * returns before its write begins, no two forward zones overlap and no backward zone lies inside a forward one.
 * Both conditions on zones are one here: two values conflict when each was finished with before the other was
 * last begun, so that each would have to come first. A write of unknown outcome returns at infinity: unread, its
 * zone has no end and lies inside none.
 */
export function checkRegisterZones(operations: readonly HistoryOperation[]): Finding | undefined {
  const clusters = clustersOf(operations);
  return clusters instanceof Map ? conflictOf([...clusters.values()]) : clusters;
}

function clustersOf(operations: readonly HistoryOperation[]): Map<string | undefined, Cluster> | Finding {
  const clusters = new Map<string | undefined, Cluster>();
  // The initial value was written before everything else.
  clusters.set(undefined, {
    value: undefined,
    write: undefined,
    reads: [],
    firstReturn: -Infinity,
    lastInvoked: -Infinity,
  });
  for (const write of operations) {
    if (write.action.kind === 'write' && write.outcome.kind !== 'notApplied') {
      const { value } = write.action;
      const { returned, invoked } = write;
      clusters.set(value, { value, write, reads: [], firstReturn: returned, lastInvoked: invoked });
    }
  }
  for (const read of operations) {
    if (read.action.kind !== 'read' || read.outcome.kind !== 'ok') {
      continue;
    }
    const { value } = read.outcome;
    const cluster = clusters.get(value);
    if (cluster === undefined) {
      const refused = operations.find(({ action }) => action.kind === 'write' && action.value === value);
      return refused === undefined
        ? finding(`a read saw ${JSON.stringify(value)}, which nobody wrote`, [read])
        : finding('a read saw a write that was not applied', [refused, read]);
    }
    const mismatch = contradiction(cluster, read);
    if (mismatch !== undefined) {
      return finding(mismatch, [cluster.write!, read]);
    }
    cluster.reads.push(read);
    cluster.firstReturn = Math.min(cluster.firstReturn, read.returned);
    cluster.lastInvoked = Math.max(cluster.lastInvoked, read.invoked);
  }
  return clusters;
}

function contradiction({ write }: Cluster, read: HistoryOperation): string | undefined {
  if (write === undefined) {
    return undefined;
  }
  if (read.returned < write.invoked) {
    return 'a read saw a value before its write began';
  }
  const written = write.outcome.kind === 'ok' ? write.outcome.version : undefined;
  const seen = read.outcome.kind === 'ok' ? read.outcome.version : undefined;
  return written !== undefined && seen !== undefined && written !== seen
    ? 'a read saw a write under another version'
    : undefined;
}

/**
 * Forward zones (finished before the last begin) must be disjoint; once they are, a backward zone can lie only
 * inside the last one that starts before it.
 */
function conflictOf(clusters: readonly Cluster[]): Finding | undefined {
  const forward = clusters
    .filter(({ firstReturn, lastInvoked }) => firstReturn < lastInvoked)
    .sort((one, other) => one.firstReturn - other.firstReturn);
  for (let index = 1; index < forward.length; index++) {
    if (conflict(forward[index - 1]!, forward[index]!)) {
      return conflictFinding(forward[index - 1]!, forward[index]!);
    }
  }
  for (const backward of clusters) {
    if (backward.firstReturn >= backward.lastInvoked) {
      const around = lastBefore(forward, backward.lastInvoked);
      if (around !== undefined && conflict(around, backward)) {
        return conflictFinding(around, backward);
      }
    }
  }
  return undefined;
}

function conflict(one: Cluster, other: Cluster): boolean {
  return one.firstReturn < other.lastInvoked && other.firstReturn < one.lastInvoked;
}

/** The last of `forward` (sorted) whose zone starts before `time`. */
function lastBefore(forward: readonly Cluster[], time: number): Cluster | undefined {
  let low = 0;
  let high = forward.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (forward[middle]!.firstReturn < time) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return forward[low - 1];
}

function conflictFinding(one: Cluster, other: Cluster): Finding {
  const name = ({ value }: Cluster): string =>
    value === undefined ? 'the empty register' : JSON.stringify(value);
  const operations = [one, other].flatMap(({ write, reads, firstReturn, lastInvoked }) =>
    [write, ...reads].filter(
      (operation) =>
        operation !== undefined &&
        (operation === write || operation.returned === firstReturn || operation.invoked === lastInvoked),
    ),
  ) as HistoryOperation[];
  return finding(`${name(one)} would have to be both before and after ${name(other)}`, operations);
}

function finding(message: string, operations: readonly HistoryOperation[]): Finding {
  return { rule: 'linearizability', key: operations[0]?.key ?? '', message, operations };
}
