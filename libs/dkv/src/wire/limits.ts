/** Constants of the HTTP transport that both of its ends must agree on. */

/** Of every message between peers; raised when a message changes so that older nodes would misread it. */
export const PROTOCOL_FORMAT = 2;

/** Carries the api key in every request. */
export const API_KEY_HEADER = 'X-Api-Key';

/** More visited nodes than any forwarding makes. */
export const VISITED_MAX = 64;

/** Headers in one answer of `getHeaders`. */
export const HEADERS_PER_PAGE_MAX = 1000;

/** A header whose key and namespace JSON escapes sixfold. */
const HEADER_BYTES_MAX = 8 * 1024;

/**
 * Everything but the value: a key of 1024 bytes that JSON escapes sixfold, a namespace, versions, node ids and
 * the envelope, rounded up.
 */
const OVERHEAD_BYTES = 64 * 1024;

/** The largest body of a request, when values are at most `valueBytesMax` bytes. */
export function requestBytesMax(valueBytesMax: number): number {
  return Math.ceil(valueBytesMax / 3) * 4 + OVERHEAD_BYTES;
}

/** The largest body of an answer: one value, or a page of headers. */
export function replyBytesMax(valueBytesMax: number): number {
  return Math.max(requestBytesMax(valueBytesMax), HEADERS_PER_PAGE_MAX * HEADER_BYTES_MAX + OVERHEAD_BYTES);
}
