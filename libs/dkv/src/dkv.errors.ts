/** Every error of the store: one class, a stable `code`, the `cause` underneath. `docs/errors.md` lists them. */

/**
 * The stable codes of {@link DkvError}, each with the HTTP status it travels under on the peer port.
 * The same codes are used in process and on the wire.
 */
export const DKV_ERROR_STATUS = {
  /** An argument of a call is outside its limits (key, level, timeout). */
  DKV_INVALID_ARGUMENT: 400,
  /** The key is empty, longer than 1024 bytes of UTF-8, or not well-formed text. */
  DKV_INVALID_KEY: 400,
  /** The encoded value is larger than `valueBytesMax`. */
  DKV_VALUE_TOO_LARGE: 400,
  /** A value cannot be encoded, or stored bytes cannot be decoded, by the namespace's codec. */
  DKV_CODEC_FAILED: 400,
  /** The namespace's mode, or this cluster, does not offer this operation. */
  DKV_UNSUPPORTED: 400,
  /** The caller sent a wrong key, or none. */
  DKV_FORBIDDEN: 403,
  /** No node was told of this namespace, or not this one. */
  DKV_UNKNOWN_NAMESPACE: 404,
  /** `getOrThrow` found no value. */
  DKV_KEY_NOT_FOUND: 404,
  /** The key has not the version expected, the lock is held, or others change the members all the time: nothing was written. */
  DKV_CONFLICT: 409,
  /** Work that `withLock` ran was not under its lock to the end. */
  DKV_LOCK_LOST: 409,
  /** A peer's clock is further ahead than `maxClockOffsetMs`. */
  DKV_CLOCK_SKEW: 409,
  /** The peer was started with other members, partitions or replicas. */
  DKV_CONFIGURATION_MISMATCH: 409,
  /** A forwarded request came back to a node where it had been, or to one that holds no copy. */
  DKV_FORWARDING_LOOP: 508,
  /** Too few nodes of the key are reachable; nothing was sent. */
  DKV_QUORUM_NOT_REACHED: 503,
  /** The write did not take effect and never will. */
  DKV_NOT_APPLIED: 503,
  /** The outcome of the write could not be learned in time. */
  DKV_INDETERMINATE: 504,
  /** A read got too few answers in time, or a leadership was not taken over in time. */
  DKV_TIMEOUT: 504,
  /** The caller's `signal` was aborted. */
  DKV_ABORTED: 499,
  /** A queue is at its bound of bytes; try again later. */
  DKV_OVERLOADED: 503,
  /** The node is starting or closing, or cannot lead what it was to lead. */
  DKV_NOT_READY: 503,
  /** A peer could not be reached: the request was not sent. */
  DKV_PEER_UNREACHABLE: 503,
  /** A peer was asked and the connection broke before its answer. */
  DKV_PEER_DISCONNECTED: 504,
  /** A peer answered with something that is not of the protocol. */
  DKV_PROTOCOL: 502,
  /** The store refuses writes after a storage error, until a restart. */
  DKV_READ_ONLY: 503,
  /** Reading or writing the disk failed. */
  DKV_STORAGE_FAILED: 503,
  /** A record on disk or on the wire does not match its checksum. */
  DKV_CORRUPT_RECORD: 500,
  /** The node log is damaged before its end, or a segment of it is missing. */
  DKV_LOG_DAMAGED: 500,
  /** The data folder is open in another process. */
  DKV_STORE_LOCKED: 500,
  /** The data folder was written by another engine, node, cluster or a newer format. */
  DKV_STORE_MISMATCH: 500,
  /** The storage engine asked for does not run on this machine. */
  DKV_ENGINE_UNAVAILABLE: 500,
  /** An option of the module is wrong. */
  DKV_INVALID_OPTIONS: 500,
  /** The peer port is taken. */
  DKV_PORT_IN_USE: 500,
  /** Discovery could not tell the nodes. */
  DKV_DISCOVERY_FAILED: 503,
} as const;

export type DkvErrorCode = keyof typeof DKV_ERROR_STATUS;

export class DkvError extends Error {
  override readonly name = 'DkvError';

  constructor(
    readonly code: DkvErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }

  /** The HTTP status under which this code travels. */
  get status(): number {
    return DKV_ERROR_STATUS[this.code];
  }

  toJSON(): { code: DkvErrorCode; message: string } {
    return { code: this.code, message: this.message };
  }
}

/** Whether `error` is a {@link DkvError}, of one of `codes` when some are given. */
export function isDkvError(error: unknown, ...codes: DkvErrorCode[]): error is DkvError {
  return error instanceof DkvError && (codes.length === 0 || codes.includes(error.code));
}

/** Whether `code` is one of ours: what a peer sends is text until this says so. */
export function isDkvErrorCode(code: unknown): code is DkvErrorCode {
  return typeof code === 'string' && Object.hasOwn(DKV_ERROR_STATUS, code);
}
