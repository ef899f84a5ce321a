/** What the load loop asks of a store, ours or theirs, without anything in between that would cost one side more. */

export interface Store {
  /** The key of an index. Made anew for each operation, as a caller's would be. */
  key(index: number): string;
  /** Null or undefined where there is no value. */
  read(key: string): Promise<unknown>;
  /** Rejects unless the write was acknowledged as the store promises. */
  write(key: string, value: Buffer): Promise<unknown>;
  /** Adds one to a counter, which may be a key of its own kind, and resolves with its new value. */
  increment(key: string): Promise<number>;
}

/** A store with what ends its connections. */
export interface Connection {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

export function keyOf(index: number): string {
  return `user${index}`;
}
