/** The memory of a key for requests: a retried one takes effect once, because the record says that it did. */
import { hex12 } from './hex.js';
import { type Version } from './version.js';

/**
 * 24 hex digits. Made by a node: 12 of the milliseconds since 1970 at which the request was made, 12 that no other
 * request of that moment has. Made of a caller's own idempotency key: 12 times `f`, then 12 of the key's hash.
 */
export type RequestId = string;

export interface AppliedRequest {
  readonly id: RequestId;
  /** The version that the request made. */
  readonly version: Version;
}

/** Bounded: the newest requests of each sort; `forgotten` is the highest id of a node's request that was let go. */
export interface RequestWindow {
  readonly applied: readonly AppliedRequest[];
  readonly forgotten: RequestId;
}

export const NO_REQUEST: RequestId = '';
export const NO_REQUESTS: RequestWindow = Object.freeze({
  applied: Object.freeze([]),
  forgotten: NO_REQUEST,
});

/** A node tries again within seconds: a few later writes of the key may lie between. */
const NODE_REQUESTS_MAX = 4;
/** A caller comes back whenever it likes. */
const KEYED_REQUESTS_MAX = 64;
export const REQUESTS_MAX = NODE_REQUESTS_MAX + KEYED_REQUESTS_MAX;

const KEYED_PREFIX = 'ffffffffffff';
const REQUEST_ID_PATTERN = /^[0-9a-f]{24}$/;

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' && REQUEST_ID_PATTERN.test(value);
}

/** `unique` is below 2^48. */
export function nodeRequestId(madeAtMs: number, unique: number): RequestId {
  return hex12(madeAtMs) + hex12(unique);
}

/** `hash` is 12 hex digits or more of a hash of the caller's key. */
export function keyedRequestId(hash: string): RequestId {
  return KEYED_PREFIX + hash.slice(0, 12);
}

export function appliedIn({ applied }: RequestWindow, id: RequestId): AppliedRequest | undefined {
  for (const request of applied) {
    if (request.id === id) {
      return request;
    }
  }
  return undefined;
}

/**
 * Whether the request may have been applied and let go since. A request that was first proposed under the version
 * `since` is still here, if it was applied, as long as the oldest of its sort is not newer. Without `since`: a node's own
 * request is at most `forgotten` when it was let go; a caller's key is remembered for the last 64 such writes of its
 * record and no longer.
 */
export function mayBeForgotten(window: RequestWindow, id: RequestId, since?: Version): boolean {
  const keyed = isKeyedRequest(id);
  if (since === undefined) {
    return !keyed && window.forgotten >= id;
  }
  const alike = window.applied.filter((request) => isKeyedRequest(request.id) === keyed);
  const full = alike.length >= (keyed ? KEYED_REQUESTS_MAX : NODE_REQUESTS_MAX);
  return full && alike[0]!.version > since;
}

/** Whether a caller's own key made it: the same for attempts that are hours apart. */
export function isKeyedRequest(id: RequestId): boolean {
  return id.startsWith(KEYED_PREFIX);
}

/** The window after `request` took effect. */
export function withRequest({ applied, forgotten }: RequestWindow, request: AppliedRequest): RequestWindow {
  const keyed = isKeyedRequest(request.id);
  let excess = 1 - (keyed ? KEYED_REQUESTS_MAX : NODE_REQUESTS_MAX);
  for (const { id } of applied) {
    excess += isKeyedRequest(id) === keyed ? 1 : 0;
  }
  const kept: AppliedRequest[] = [];
  for (const known of applied) {
    if (excess > 0 && isKeyedRequest(known.id) === keyed) {
      excess--;
      forgotten = !keyed && known.id > forgotten ? known.id : forgotten;
    } else {
      kept.push(known);
    }
  }
  kept.push(request);
  return { applied: kept, forgotten };
}
