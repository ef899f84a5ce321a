/** What a write makes of the record that a round found: the one place where a strong key changes. */
import { type RecordId } from '../model/key.js';
import { type WriteOperation } from '../model/peer-protocol.js';
import { isVisible, type KvRecord, type RecordHeader, stampRecord, stampTombstone } from '../model/record.js';
import {
  appliedIn,
  mayBeForgotten,
  NO_REQUESTS,
  withRequest,
  type RequestId,
} from '../model/request-window.js';
import { NO_VERSION, type Version } from '../model/version.js';

const NO_BYTES = new Uint8Array(0);

/** Changes nothing, and has the order of the writes. */
export function readOf(id: RecordId, requestId: RequestId): WriteOperation {
  return { kind: 'read', id, value: NO_BYTES, ttlMs: 0, level: 'quorum', requestId };
}

export type Decision =
  /** Propose this record. */
  | { readonly kind: 'write'; readonly record: KvRecord }
  /** Nothing to write; `conflict` tells that the version expected is not there. */
  | { readonly kind: 'keep'; readonly conflict: boolean }
  /** The request took effect before, as this version. */
  | { readonly kind: 'applied'; readonly version: Version }
  /** An earlier attempt of the request took no effect: what is there is proposed again, to keep it so. */
  | { readonly kind: 'absent' }
  /** The request may have taken effect before: the record has forgotten requests as old as this one. */
  | { readonly kind: 'forgotten' };

/**
 * Pure, so that a repeated round decides alike. `version` is the ballot of the round; `nowMs` the wall clock, for
 * expiry and for people. `since`: the ballot under which the request was first proposed, if it was.
 */
export function decide(
  operation: WriteOperation,
  current: KvRecord | undefined,
  {
    version,
    nowMs,
    since,
  }: { readonly version: Version; readonly nowMs: number; readonly since?: Version | undefined },
): Decision {
  const { kind, id, value, ttlMs, expected, requestId } = operation;
  const window = current?.requests ?? NO_REQUESTS;
  const applied = kind === 'read' ? undefined : appliedIn(window, requestId);
  if (applied) {
    return { kind: 'applied', version: applied.version };
  }
  if (since !== undefined && kind !== 'read' && mayBeForgotten(window, requestId, since)) {
    return { kind: 'forgotten' };
  }
  const visible = isVisible(current, nowMs);
  const held = visible ? current!.version : NO_VERSION;
  if (expected !== undefined && expected !== held) {
    return { kind: 'keep', conflict: true };
  }
  const changes =
    kind === 'addOrUpdate' ||
    (kind === 'touch' && visible) ||
    (kind === 'remove' && current !== undefined && isRemovable(operation, current));
  if (!changes) {
    return { kind: 'keep', conflict: false };
  }
  const requests = withRequest(window, { id: requestId, version });
  if (kind === 'remove') {
    return { kind: 'write', record: stampTombstone(id, version, { modifiedMs: nowMs, requests }) };
  }
  const record = stampRecord({
    namespace: id.namespace,
    key: id.key,
    version,
    tombstone: false,
    expiresAtMs: ttlMs === 0 ? 0 : nowMs + ttlMs,
    modifiedMs: nowMs,
    requests,
    value: kind === 'touch' ? current!.value : value,
  });
  return { kind: 'write', record };
}

/** Whether a `remove` finds something to remove: a value, and where it says so an expired one, not one renewed since. */
export function isRemovable(
  { expiredByMs }: WriteOperation,
  { tombstone, expiresAtMs }: RecordHeader,
): boolean {
  return !tombstone && (expiredByMs === undefined || (expiresAtMs !== 0 && expiresAtMs <= expiredByMs));
}
