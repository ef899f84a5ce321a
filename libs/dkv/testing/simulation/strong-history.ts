/** What the history of a strong namespace is worth: as one, or cut where groups lost the tail of their logs. */
import { type Finding } from './checkers/finding.js';
import { checkLinearizability } from './checkers/linearizability.js';
import { checkLocalReads } from './checkers/local-reads.js';
import { placeOf, splitAtLoss } from './checkers/lost-tail.js';
import { checkCounts, checkExpiry, checkVersionOrder } from './checkers/strong.js';
import { type HistoryOperation } from './history.js';
import { type StrongRecovery } from './strong-recoveries.js';
import { type StrongWorld } from './strong-workload.js';

const CONFIGURATIONS_MAX = 20_000;

/** Each group's operations by themselves: a recovery is a group's. */
export function judgeHistory(
  { cluster, history, witness }: StrongWorld,
  boundMs: number,
): readonly Finding[] {
  const { operations } = history;
  const groupOf = (key: string) => cluster.ring.partitionOf(key);
  const findings = [...checkVersionOrder(seenIsCommitted(operations), groupOf)];
  for (let group = 0; group < cluster.ring.partitions; group++) {
    const here = operations.filter(({ key }) => groupOf(key) === group);
    findings.push(...judgeGroup(here, witness.recoveriesOf(group), boundMs));
  }
  return findings;
}

/** Versions are never given twice, whatever was lost; all else holds in each of the histories that losses leave. */
function judgeGroup(
  operations: readonly HistoryOperation[],
  recoveries: readonly StrongRecovery[],
  boundMs: number,
): readonly Finding[] {
  const findings = outsideOf(operations, recoveries);
  let rest = operations;
  for (const recovery of recoveries) {
    const { before, after, revived } = splitAtLoss(rest, recovery);
    findings.push(...revived.map((read) => found(read, 'a read saw what a recovery had lost')));
    findings.push(...judgePart(before, boundMs));
    rest = after;
  }
  return [...findings, ...judgePart(rest, boundMs)];
}

/** Nothing is told of a generation that came to nothing. */
function outsideOf(
  operations: readonly HistoryOperation[],
  recoveries: readonly StrongRecovery[],
): Finding[] {
  const lived = new Set([1, ...recoveries.map(({ generation }) => generation)]);
  return operations
    .filter(
      ({ outcome }) =>
        outcome.kind === 'ok' &&
        outcome.version !== undefined &&
        !lived.has(placeOf(outcome.version).generation),
    )
    .map((operation) => found(operation, 'it was told of a generation that others know nothing of'));
}

function judgePart(operations: readonly HistoryOperation[], boundMs: number): readonly Finding[] {
  const all = seenIsCommitted(operations);
  const linear = all.filter(({ action }) => action.kind !== 'read' || action.level !== 'one');
  return [
    ...checkLinearizability(linear, { configurationsMax: CONFIGURATIONS_MAX }).filter(
      ({ rule }) => rule !== 'undecided',
    ),
    ...checkLocalReads(operations),
    ...checkCounts(all),
    ...(boundMs === Infinity ? [] : checkExpiry(all, boundMs)),
  ];
}

/**
 * A node shows only what is committed: a write of unknown outcome that a read of any copy has shown had taken effect by
 * the time that this read returned.
 */
function seenIsCommitted(operations: readonly HistoryOperation[]): readonly HistoryOperation[] {
  const seen = new Map<string, number>();
  for (const { key, action, outcome, returned } of operations) {
    if (action.kind === 'read' && outcome.kind === 'ok' && outcome.value !== undefined) {
      const id = `${key} ${outcome.value}`;
      seen.set(id, Math.min(seen.get(id) ?? Infinity, returned));
    }
  }
  return operations.map((operation) => {
    const { key, action, outcome } = operation;
    const returned = 'value' in action ? seen.get(`${key} ${action.value}`) : undefined;
    return outcome.kind === 'indeterminate' && returned !== undefined
      ? { ...operation, returned, outcome: { kind: 'ok' } }
      : operation;
  });
}

function found(operation: HistoryOperation, message: string): Finding {
  return { rule: 'lost-write', key: operation.key, message, operations: [operation] };
}
