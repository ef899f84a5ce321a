/** The records of strong namespaces. */

/** A committed record. Shared by all who have it: nobody may change its bytes. */
export interface StrongRecord {
  /** With `index`, its version: rises within a group for ever. */
  readonly generation: number;
  /** Of the log entry that wrote it. */
  readonly index: number;
  /** Milliseconds since 1970 from which on it counts as deleted; 0 is never. */
  readonly expiresAtMs: number;
  /** Time of the log entry that wrote it, milliseconds since 1970. */
  readonly modifiedMs: number;
  /** The encoded value. */
  readonly value: Uint8Array;
}

export interface KeyedRecord {
  readonly namespace: string;
  readonly key: string;
  readonly record: StrongRecord;
}

/** The last key of the page before; storage order is (namespace, key) by their bytes. */
export interface PageMark {
  readonly namespace: string;
  readonly key: string;
}
