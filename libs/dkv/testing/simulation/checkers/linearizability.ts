/** Whether a strong namespace behaved as if every operation took effect at one moment between call and answer. */
import { type HistoryOperation } from '../history.js';
import { byKey, type Finding } from './finding.js';
import { searchLinearization, type SequentialModel } from './linearization-search.js';
import { applyToRegister, EMPTY_REGISTER, registerKey, type RegisterState } from './register-model.js';
import { checkRegisterZones, isDistinctRegister } from './register-zones.js';

export interface LinearizabilityOptions {
  /** The search gives up on a key after so many configurations, with the finding "undecided". Default 500,000. */
  readonly configurationsMax?: number;
}

const CONFIGURATIONS_MAX = 500_000;

const REGISTER: SequentialModel<RegisterState> = {
  initial: EMPTY_REGISTER,
  apply: applyToRegister,
  keyOf: registerKey,
};

/**
 * Checks every key on its own, starting empty: linearizability is local (Herlihy and Wing 1990), so the whole is
 * linearizable if each key is. Keys with only reads and writes of distinct values take the time of a sort;
 * deletes, compare-and-sets, increments and lifetimes need a search.
 */
export function checkLinearizability(
  operations: readonly HistoryOperation[],
  { configurationsMax = CONFIGURATIONS_MAX }: LinearizabilityOptions = {},
): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [key, all] of byKey(operations)) {
    const finding = isDistinctRegister(all)
      ? checkRegisterZones(all)
      : checkRegisterSearch(all, configurationsMax);
    if (finding !== undefined) {
      findings.push({ ...finding, key });
    }
  }
  return findings;
}

/** Checks the operations of one key by search, whatever they are. */
export function checkRegisterSearch(
  operations: readonly HistoryOperation[],
  configurationsMax = CONFIGURATIONS_MAX,
): Finding | undefined {
  const relevant = dropUnseen(operations.filter(saysSomething));
  const key = operations[0]?.key ?? '';
  const result = searchLinearization(relevant, REGISTER, configurationsMax);
  if (result.found === true) {
    return undefined;
  }
  if (result.found === undefined) {
    const message = `no answer after ${result.configurations} configurations of ${relevant.length} operations`;
    return { rule: 'undecided', key, message, operations: [] };
  }
  const message =
    `no order explains all ${relevant.length} operations; the best one explains ${result.explained} and then ` +
    `cannot place this, beside what was under way with it`;
  const { invoked, returned } = result.stuck;
  const around = relevant.filter((other) => other.invoked <= returned && other.returned >= invoked);
  return { rule: 'linearizability', key, message, operations: [result.stuck, ...around] };
}

function saysSomething({ outcome }: HistoryOperation): boolean {
  return outcome.kind !== 'notApplied' && outcome.kind !== 'unread';
}

/**
 * Leaves out writes of unknown outcome whose value nobody saw: each would double the search. Sound as long as
 * nothing in the history is explained by a value being overwritten: a failed comparison, a sum, an `existed`, a touch.
 */
function dropUnseen(operations: readonly HistoryOperation[]): readonly HistoryOperation[] {
  const seen = new Set<string>();
  for (const { action, outcome } of operations) {
    const mayExpire = (action.kind === 'write' || action.kind === 'touch') && (action.ttlMs ?? 0) > 0;
    if (outcome.kind === 'mismatch' || action.kind === 'increment' || mayExpire) {
      return operations;
    }
    if (outcome.kind === 'ok') {
      if (outcome.existed !== undefined || action.kind === 'touch') {
        return operations;
      }
      if (outcome.value !== undefined) {
        seen.add(outcome.value);
      }
    }
  }
  const versions = operations.some(
    ({ action }) => action.kind === 'compareAndSet' && action.expected !== null,
  );
  return operations.filter(
    ({ action, outcome }) =>
      outcome.kind !== 'indeterminate' || action.kind !== 'write' || versions || seen.has(action.value),
  );
}
