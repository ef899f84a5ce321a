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
}

export function encodeRemembered({ existed }: Remembered): Uint8Array {
  return Uint8Array.of(existed ? 1 : 0);
}

export function decodeRemembered(bytes: Uint8Array): Remembered {
  return { existed: bytes[0] === 1 };
}
