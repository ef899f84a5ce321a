/** What a WebSocket message between peers is made of, and its limits. */

/**
 * A message is one byte, the format, and frames one after another; a frame is one byte, its type, and its fields.
 * Numbers are in groups of 7 bits, the lowest first; texts and blocks have their length in bytes before them.
 *
 * | type | fields | meaning |
 * |---|---|---|
 * | ORIGIN | from, configuration | who speaks in the requests and answers after it in this message |
 * | REQUEST | id, kind (1 byte), block | a whole request |
 * | ANSWER | id, kind (1 byte), block | a whole answer to the request of that id |
 * | ERROR | id, code, text | the request of that id failed |
 * | BEGIN | id, kind (1 byte), total, block | the first CHUNK_BYTES of a request or an answer of `total` bytes |
 * | CHUNK | id, block | the next CHUNK_BYTES, or what is left |
 * | CANCEL | id | the asker no longer waits: what is underway of the request or the answer may stop |
 * | GOODBYE | | the server stops: it answers what it was asked before and nothing after |
 *
 * The block of a request or an answer: sentAtMs as a double, then the fields of its kind (`message-codec.ts`). In it a
 * namespace of no bytes is the namespace before it, and a version of one byte is the version before it, that of a record
 * included. Nothing refers to another block: blocks may be cut into chunks, cancelled, and never be decoded.
 *
 * The number is raised when a frame or a kind changes so that an older node would misread it.
 */
export const FRAME_FORMAT = 2;

export const STREAM_PATH = '/peer/stream';

/** The WebSocket subprotocol: nodes without a common format part at the upgrade. */
export const STREAM_PROTOCOL = `dkv-frames-${FRAME_FORMAT}`;

export const FRAME = {
  ORIGIN: 0,
  REQUEST: 1,
  ANSWER: 2,
  ERROR: 3,
  BEGIN: 4,
  CHUNK: 5,
  CANCEL: 6,
  GOODBYE: 7,
} as const;

/** Larger requests and answers go in pieces of this size, between which small ones pass. */
export const CHUNK_BYTES = 64 * 1024;

/** A message is closed when it is this large; one more frame and one more chunk may be in it. */
export const MESSAGE_BYTES = 128 * 1024;

/** More than any message has: 128 KiB, a frame, a chunk, their heads and origins. */
export const MESSAGE_BYTES_MAX = 512 * 1024;

/** Bytes given to the socket and not yet taken by the network, past which frames wait in their queue. */
export const UNFLUSHED_BYTES_MAX = 512 * 1024;

/**
 * Frames of one connection that are handed on in one turn of the event loop: each may wake work of up to 100 µs, for
 * which timers and other sockets wait. Fewer make smaller batches: with 64, where 256 operations are under way, an
 * operation costs a fifth more, with no shorter turns, which commits of whole batches make as long.
 */
export const FRAMES_PER_TURN = 128;

export const CONFIGURATION_LENGTH_MAX = 256;
export const ERROR_CODE_LENGTH_MAX = 80;
export const ERROR_TEXT_LENGTH_MAX = 2000;

/** Everything of a request but its value: names, versions, numbers. */
const REQUEST_OVERHEAD_BYTES = 256 * 1024;
/** A page of headers: 1000 of a key of 1024 bytes, a namespace of 64, a version of 255 and numbers. */
const HEADERS_BYTES_MAX = 1000 * 1400;

/** The largest request when values are at most `valueBytesMax` bytes. */
export function streamRequestBytesMax(valueBytesMax: number): number {
  return valueBytesMax + REQUEST_OVERHEAD_BYTES;
}

/** The largest answer: one value, or a page of headers. */
export function streamReplyBytesMax(valueBytesMax: number): number {
  return Math.max(streamRequestBytesMax(valueBytesMax), HEADERS_BYTES_MAX);
}
