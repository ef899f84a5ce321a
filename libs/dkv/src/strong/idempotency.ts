/** What a group remembers of callers' own idempotency keys: records in the key's partition, with a lifetime. */

/** Where they are, apart from the values, so that removing a key forgets nothing. */
export const IDEMPOTENCY_NAMESPACE = 'dkv.idempotency';

/** The whole of what names the write, compared byte for byte: no hash that could be made to collide. */
export function idempotencyRecordKey(namespace: string, key: string, idempotencyKey: string): string {
  return `${namespace}\0${key}\0${idempotencyKey}`;
}

export interface Remembered {
  /** Whether a reader saw a value just before the write. */
  readonly existed: boolean;
  /** The value that an increment made; empty for other writes. */
  readonly counted: Uint8Array;
}

export function encodeRemembered({ existed, counted }: Remembered): Uint8Array {
  const bytes = new Uint8Array(1 + counted.length);
  bytes[0] = existed ? 1 : 0;
  bytes.set(counted, 1);
  return bytes;
}

export function decodeRemembered(bytes: Uint8Array): Remembered {
  return { existed: bytes[0] === 1, counted: bytes.subarray(1) };
}
