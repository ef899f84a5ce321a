/** What a client sees of a record, in either mode. */

export interface ShownRecord {
  /** Text whose plain order is the order of the key's versions. */
  readonly version: string;
  /** The encoded value. Shared by all who have the record: nobody may change it. */
  readonly value: Uint8Array;
  /** Milliseconds since 1970 from which on it counts as deleted; 0 is never. */
  readonly expiresAtMs: number;
  /** When it was written, milliseconds since 1970; orders nothing. */
  readonly modifiedMs: number;
}
