/** Bytes as JSON can carry them. */
import { Buffer } from 'node:buffer';
import { asBuffer } from '../../model/byte-reader.js';

const BASE64_PATTERN = /^[A-Za-z0-9+/]*={0,2}$/;

export function toBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64');
}

/**
 * A plain Uint8Array with memory of its own: a Buffer's `slice` shares memory where a Uint8Array's copies, and a
 * small Buffer that is kept keeps the pool alive that it was cut from.
 */
export function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

/** Standard alphabet, padded: what `toBase64` makes. Node's decoder silently skips everything else. */
export function isBase64(text: unknown): text is string {
  return typeof text === 'string' && text.length % 4 === 0 && BASE64_PATTERN.test(text);
}
