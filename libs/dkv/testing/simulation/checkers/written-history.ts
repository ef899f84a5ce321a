/** Histories written by hand: for tables of what a checker must accept and must reject. */
import { type HistoryAction, type HistoryOperation, type HistoryOutcome } from '../history.js';

export interface WrittenDetails {
  readonly key?: string;
  readonly client?: string;
  readonly incarnation?: string;
}

/** An operation on key `k` from `invoked` to `returned`; an unknown outcome returns at infinity. */
export function operation(
  invoked: number,
  returned: number,
  action: HistoryAction,
  outcome: HistoryOutcome = { kind: 'ok' },
  { key = 'k', client = `c${invoked}`, incarnation = 'n1#1' }: WrittenDetails = {},
): HistoryOperation {
  const end = outcome.kind === 'indeterminate' ? Infinity : returned;
  return {
    client,
    incarnation,
    key,
    action,
    outcome,
    invoked,
    returned: end,
    invokedAtMs: invoked,
    returnedAtMs: end,
  };
}

export const INDETERMINATE: HistoryOutcome = { kind: 'indeterminate' };
export const NOT_APPLIED: HistoryOutcome = { kind: 'notApplied' };
export const MISMATCH: HistoryOutcome = { kind: 'mismatch' };

/** A write that was acknowledged, unless told otherwise. */
export function write(
  value: string,
  invoked: number,
  returned: number,
  outcome?: HistoryOutcome,
  details?: WrittenDetails,
): HistoryOperation {
  return operation(invoked, returned, { kind: 'write', value }, outcome, details);
}

/** A read that saw `value`; undefined: nothing. */
export function read(
  value: string | undefined,
  invoked: number,
  returned: number,
  details?: WrittenDetails,
): HistoryOperation {
  return operation(invoked, returned, { kind: 'read' }, { kind: 'ok', value }, details);
}
