/** What clients see of a record, whichever mode its namespace has. */

/** A value with its version. Shared by all who have it: nobody may change its bytes. */
export interface ShownRecord {
  /** Text whose plain string order is the order of versions of a key. */
  readonly version: string;
  /** The encoded value. */
  readonly value: Uint8Array;
  /** Milliseconds since 1970 from which on it counts as deleted; 0 is never. */
  readonly expiresAtMs: number;
  /** When it was written, milliseconds since 1970. */
  readonly modifiedMs: number;
}
