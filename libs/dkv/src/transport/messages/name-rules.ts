/** What a key and a namespace may look like, for messages, options and REST alike. */
import { Buffer } from 'node:buffer';
import { assertKey, NAMESPACE_BYTES_MAX } from '../../model/key.js';

export function isKey(value: unknown): value is string {
  try {
    assertKey(value as string);
    return true;
  } catch {
    return false;
  }
}

/** 1 to 64 bytes of UTF-8 without NUL, which separates the namespace from the key in storage. */
export function isNamespace(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    Buffer.byteLength(value) <= NAMESPACE_BYTES_MAX &&
    !value.includes('\0') &&
    value.isWellFormed()
  );
}
