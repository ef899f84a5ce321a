/** What a stream between peers is made of, and its limits. */

/**
 * A stream is the raw socket of an HTTP request that was upgraded, and frames one after another, whatever pieces the
 * network cuts them into. A frame is its length (4 bytes, the highest first, of what follows its type), its type (1
 * byte) and its fields. Numbers in fields are in groups of 7 bits, the lowest first; texts have their length in bytes
 * before them; a block goes to the end of its frame.
 *
 * | type | fields | meaning |
 * |---|---|---|
 * | ORIGIN | from, configuration | who speaks in the requests and answers after it, until the next one |
 * | REQUEST | id, kind (1 byte), block | a whole request |
 * | ANSWER | id, kind (1 byte), block | a whole answer to the request of that id |
 * | ERROR | id, code, text | the request of that id failed; of id 0: the connection is closed, for this reason |
 * | BEGIN | id, kind (1 byte), total, block | the first CHUNK_BYTES of a request or an answer of `total` bytes |
 * | CHUNK | id, block | the next CHUNK_BYTES, or what is left |
 * | CANCEL | id | the asker no longer waits: what is underway of the request or the answer may stop |
 * | GOODBYE | | the server stops: it answers what it was asked before and nothing after |
 * | PING | | asks for a sign of life |
 * | PONG | | is one |
 * | POST | block | a one-way frame, for whoever listens |
 *
 * The block of a request or an answer: sentAtMs as a double, then the fields of its kind (`message-codec.ts`). In it a
 * namespace of no bytes is the namespace before it, and a version of one byte is the version before it, that of a record
 * included. Nothing refers to another block: blocks may be cut into chunks, cancelled, and never be decoded.
 *
 * `PEER_FORMAT` is raised when a frame or a kind changes so that an older node would misread it.
 */
export const FRAME = {
  ORIGIN: 0,
  REQUEST: 1,
  ANSWER: 2,
  ERROR: 3,
  BEGIN: 4,
  CHUNK: 5,
  CANCEL: 6,
  GOODBYE: 7,
  PING: 8,
  PONG: 9,
  POST: 10,
} as const;

export const STREAM_PATH = '/peer/stream';

/** What the connection is upgraded to: the value of the `Upgrade` header. */
export const STREAM_PROTOCOL = 'dkv-peer';

/** Length and type. */
export const HEAD_BYTES = 5;

/** Larger requests and answers go in pieces of this size, between which small ones pass. */
export const CHUNK_BYTES = 64 * 1024;

/** The largest body of a frame that is not a POST: a chunk, an id, a kind and a total. */
export const BODY_BYTES_MAX = CHUNK_BYTES + 32;

/** A batch, which is one write to the socket, is closed when it is this large. */
export const BATCH_BYTES = 128 * 1024;

/** Frames up to here are copied into their batch; of larger ones the socket is given the memory itself (writev). */
export const COPIED_BYTES_MAX = 8 * 1024;

/**
 * Bytes given to the socket and not yet taken by the kernel, past which frames wait in their queue, where urgent ones
 * overtake the others: 20 ms of a network of 100 Mbit/s.
 */
export const UNFLUSHED_BYTES_MAX = 256 * 1024;

/**
 * Bytes in the socket and of posted frames that wait, past which the live lane takes no more: at 100 Mbit/s they are gone
 * within 42 ms, so a heartbeat behind them waits less than 50 ms. One frame may go beyond: keep live frames small.
 */
export const LIVE_UNSENT_BYTES_MAX = 512 * 1024;

/** The same of the bulk lane: what a sender that looks once in 10 ms needs for 400 MB/s. */
export const BULK_UNSENT_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Frames of one connection that are handed on in one turn of the event loop: each may wake work of up to 100 µs, for
 * which timers and other sockets wait. Fewer make smaller batches: with 64, where 256 operations are under way, an
 * operation costs a fifth more, with no shorter turns, which commits of whole batches make as long.
 */
export const FRAMES_PER_TURN = 128;

export const ERROR_CODE_LENGTH_MAX = 80;
export const ERROR_TEXT_LENGTH_MAX = 2000;
