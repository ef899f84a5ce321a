/** CRC-32 (IEEE 802.3), the checksum of a record. */
import { crc32 as zlibCrc32 } from 'node:zlib';

/** Unsigned 32-bit CRC of `bytes`, continuing from `seed`. */
export function crc32(bytes: Uint8Array | string, seed = 0): number {
  // For some empty arrays zlib forgets the seed, depending on where their memory came from.
  return bytes.length === 0 ? seed : zlibCrc32(bytes, seed);
}
