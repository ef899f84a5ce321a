/** Lost and made-up writes where a merger joins values: no version or clock has a say in the answer. */
import { type HistoryOperation } from '../history.js';
import { byKey, type Finding } from './finding.js';

/**
 * For namespaces whose merger is set union, each write adding one element of its own (its `value`): the sets that
 * the replicas converged to must hold every acknowledged element and none that was not written or not applied.
 */
export function checkMergedSets(
  operations: readonly HistoryOperation[],
  converged: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Finding[] {
  const findings: Finding[] = [];
  const keys = byKey(operations);
  for (const key of new Set([...keys.keys(), ...converged.keys()])) {
    const elements = converged.get(key) ?? new Set<string>();
    const possible = new Set<string>();
    for (const operation of keys.get(key) ?? []) {
      const { action, outcome } = operation;
      if (action.kind !== 'write') {
        continue;
      }
      if (outcome.kind !== 'notApplied') {
        possible.add(action.value);
      }
      if (outcome.kind === 'ok' && !elements.has(action.value)) {
        const message = `the acknowledged element ${JSON.stringify(action.value)} is not in the merged set`;
        findings.push({ rule: 'lost-write', key, message, operations: [operation] });
      }
    }
    for (const element of elements) {
      if (!possible.has(element)) {
        const message = `the merged set holds ${JSON.stringify(element)}, which no write can have put there`;
        findings.push({ rule: 'phantom', key, message, operations: [] });
      }
    }
  }
  return findings;
}
