/** How a call of this node ends: what its caller is shown of an answer, and the errors that say what is known. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { DkvError } from '../dkv.errors.js';
import { type Answer } from '../model/node-messages.js';
import { type ShownRecord } from '../model/shown-record.js';
import { type StrongWrite, type StrongWritten } from '../model/strong-operations.js';
import { type StrongRecord } from '../model/strong-record.js';
import { formatStrongVersion } from '../model/strong-version.js';

export type DoneAnswer = Extract<Answer, { type: 'done' }>;

/** Refused before anything was sent, or never sent. */
export function unreachable(
  view: ClusterView,
  key: string,
  group: number,
  needed: number,
  writes: boolean,
): DkvError {
  const reachable = view.reachable(group).length;
  const why =
    reachable < needed
      ? `only ${reachable} can be reached from ${view.selfId}`
      : 'none of them leads them now, as far as this node knows';
  return new DkvError(
    'DKV_QUORUM_NOT_REACHED',
    `${writes ? 'Writing' : 'Reading'} key ${JSON.stringify(key)} needs ${needed} of the nodes ` +
      `${view.listOf(group).join(', ')}; ${why}.${writes ? ' Nothing was written.' : ''}`,
  );
}

export function notApplied(key: string): DkvError {
  return new DkvError(
    'DKV_NOT_APPLIED',
    `The write of key ${JSON.stringify(key)} was not committed in time. It was cancelled: nothing of it can ever be ` +
      'read.',
  );
}

export function indeterminate(key: string, when: string): DkvError {
  return new DkvError(
    'DKV_INDETERMINATE',
    `The outcome of writing key ${JSON.stringify(key)} ${when}; it may still take effect. A read with consistency ` +
      "'linearizable' tells.",
  );
}

/** It was begun in an older generation than the one in which it was cancelled: what that lost, others may have read. */
export function lostSight(key: string): DkvError {
  return new DkvError(
    'DKV_INDETERMINATE',
    `While key ${JSON.stringify(key)} was written, its partition lost the end of its log and went on from what was left. ` +
      'The write is cancelled, and takes no effect from now on; but it may have been read before. A read with ' +
      "consistency 'linearizable' tells what the key holds.",
  );
}

export function readTooLong(key: string, timeoutMs: number): DkvError {
  return new DkvError('DKV_TIMEOUT', `Reading key ${JSON.stringify(key)} took over ${timeoutMs} ms.`);
}

/** @param what what is to be said beside it, before the full stop */
export function aborted({ reason: cause }: AbortSignal, what = ''): DkvError {
  return new DkvError('DKV_ABORTED', `The operation was aborted by its caller${what}.`, { cause });
}

export function writtenOf(
  { kind, value }: StrongWrite,
  { outcome, record, existed, repeated, isLogged, isOwnValue }: DoneAnswer,
): StrongWritten {
  if (isLogged && (kind === 'remove' || (kind === 'touch' && !existed))) {
    return { outcome, record: undefined, existed, repeated };
  }
  const isGiven = isOwnValue || (kind === 'put' && isLogged);
  const shown = record && shownAs(record, isGiven ? value : record.value);
  return { outcome, record: shown, existed, repeated };
}

export function shownOf(record: StrongRecord | undefined): ShownRecord | undefined {
  return record && shownAs(record, record.value);
}

function shownAs(
  { generation, index, expiresAtMs, modifiedMs }: StrongRecord,
  value: Uint8Array,
): ShownRecord {
  return { version: formatStrongVersion(generation, index), value, expiresAtMs, modifiedMs };
}
