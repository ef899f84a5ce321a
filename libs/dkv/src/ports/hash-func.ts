/** The hash that places keys on the ring. */

export interface HashFunc {
  /** Stored with the data: a folder written under another hash is refused. 1 to 32 characters. */
  readonly name: string;
  /** An evenly distributed unsigned 32-bit hash of `bytes`; pure and the same on every machine. */
  hash(bytes: Uint8Array): number;
}

export const HashFunc = Symbol('DkvHashFunc');
