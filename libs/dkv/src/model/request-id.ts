/** Names of forwarded requests: a message that arrives twice is known by the name of its request. */
import { hex12 } from './hex.js';

/**
 * 24 hex digits: 12 of the milliseconds since 1970 at which the request was made, 12 that no other request of that
 * moment has.
 */
export type RequestId = string;

const REQUEST_ID_PATTERN = /^[0-9a-f]{24}$/;

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' && REQUEST_ID_PATTERN.test(value);
}

/** `unique` is below 2^48. */
export function formatRequestId(madeAtMs: number, unique: number): RequestId {
  return hex12(madeAtMs) + hex12(unique);
}
