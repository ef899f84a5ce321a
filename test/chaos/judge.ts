/** The simulator's checkers on recorded histories. */
import { checkConverged, checkEventualReads } from '../../libs/dkv/testing/simulation/checkers/eventual.js';
import { type ConvergedRecord } from '../../libs/dkv/testing/simulation/checkers/eventual-facts.js';
import { checkLinearizability } from '../../libs/dkv/testing/simulation/checkers/linearizability.js';
import { type HistoryOperation } from '../../libs/dkv/testing/simulation/history.js';
import { type ChaosFinding } from './workload.js';

/**
 * Without real time: a node that was killed stamps up to 400 ms ahead after its restart, so two writes through two
 * coordinators may lie the other way round.
 */
export function judgeEventual(
  operations: readonly HistoryOperation[],
  converged: ReadonlyMap<string, ConvergedRecord>,
  /** Keys on which the nodes did not agree: there is no end to judge. */
  diverged: ReadonlySet<string> = new Set(),
): readonly ChaosFinding[] {
  const ended = operations.filter(({ key }) => !diverged.has(key));
  return [...checkEventualReads(operations), ...checkConverged(ended, converged)];
}

/**
 * Reads at `one` may trail, so they are judged by what they promise: nothing made up or refused, own writes seen.
 * Everything else is judged as one register a key.
 */
export function judgeStrong(operations: readonly HistoryOperation[]): readonly ChaosFinding[] {
  const strong = operations.filter((operation) => !isTrailingRead(operation));
  const counted = new Set(
    operations.filter(({ action }) => action.kind === 'increment').map(({ key }) => key),
  );
  const registers = operations.filter(({ key }) => !counted.has(key)).map(asPlainWrite);
  return [...checkLinearizability(strong), ...checkEventualReads(registers)];
}

function isTrailingRead({ action }: HistoryOperation): boolean {
  return action.kind === 'read' && action.level !== undefined;
}

/** A compare-and-set as the write that it is when it succeeds: the eventual checkers know no other. */
function asPlainWrite(operation: HistoryOperation): HistoryOperation {
  const { action, outcome } = operation;
  if (action.kind !== 'compareAndSet') {
    return operation;
  }
  return {
    ...operation,
    action: { kind: 'write', value: action.value },
    outcome: outcome.kind === 'mismatch' ? { kind: 'notApplied' } : outcome,
  };
}
