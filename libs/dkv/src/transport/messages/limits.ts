/** What both ends of every transport must agree on: the format, the headers that introduce a node, the largest sizes. */
import { POST_OVERHEAD_BYTES } from '../../ports/remote-kv-repo.js';

/** Of every message between peers; raised when a message changes so that an older node would misread it. */
export const PEER_FORMAT = 3;

/** Carries the api key in every request. */
export const API_KEY_HEADER = 'X-Api-Key';
/** Carries the admin key in requests of operators. */
export const ADMIN_KEY_HEADER = 'X-Admin-Key';
/** Carries {@link PEER_FORMAT}. */
export const FORMAT_HEADER = 'X-Dkv-Format';
/** Carries the id of the node that speaks. */
export const NODE_HEADER = 'X-Dkv-Node';
/** Carries the lane of a connection: `live` or `bulk`. */
export const LANE_HEADER = 'X-Dkv-Lane';

/** More visited nodes than any forwarding makes. */
export const VISITED_MAX = 64;

/** Headers in one answer of `getHeaders`. */
export const HEADERS_PER_PAGE_MAX = 1000;

export const CONFIGURATION_LENGTH_MAX = 256;

/** Everything of a request but its value: what rides along, names. */
const REQUEST_OVERHEAD_BYTES = 256 * 1024;
/** A page of headers: 1000 of a key of 1024 bytes, a namespace of 64, a version of 255 and numbers. */
const HEADERS_BYTES_MAX = HEADERS_PER_PAGE_MAX * 1400;
/** Of a body in JSON all but the value: a key of 1024 bytes that JSON escapes sixfold, and names. */
const JSON_OVERHEAD_BYTES = 64 * 1024;

/** The largest request when values are at most `valueBytesMax` bytes. */
export function requestBytesMax(valueBytesMax: number): number {
  return valueBytesMax + REQUEST_OVERHEAD_BYTES;
}

/** The largest answer: one value, or a page of headers. */
export function replyBytesMax(valueBytesMax: number): number {
  return Math.max(requestBytesMax(valueBytesMax), HEADERS_BYTES_MAX);
}

/** The largest one-way frame. */
export function postBytesMax(valueBytesMax: number): number {
  return valueBytesMax + POST_OVERHEAD_BYTES;
}

/** The largest JSON body of REST, whose values are in base64. */
export function jsonBodyBytesMax(valueBytesMax: number): number {
  return Math.ceil(valueBytesMax / 3) * 4 + JSON_OVERHEAD_BYTES;
}
