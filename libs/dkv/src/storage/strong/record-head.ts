/** Where the fields of a record in memory lie. */

/*
 * A record lies in one piece, its head and its key mostly in two lines of the processor's cache:
 *
 *   index f64 | expiry f64 | modified f64
 *   what the engine has: expiry's lower half u32, its upper half u16, size of the value u16
 *   next i32 | hash i32 | group u16, namespace u16 | generation u32
 *   place among the dirty ones i32 | round i32 | bytes of the key u16, flags u16 | bytes of the value i32
 *   key in UTF-8 | value | up to 15 bytes of nothing
 *
 * A position names a record by its slab and its unit there; 0 is none. Objects for each record would take as much again as
 * its bytes, and the collector would look at each of them again and again.
 */

export const UNIT_BYTES = 16;
export const UNIT_BITS = 14;
/** Bytes of a record before its key. */
export const HEAD_BYTES = 64;

/** Fields of a head in `Slab.doubles`, from `doubleOf(position)` on. */
export const INDEX = 0;
export const EXPIRES_AT = 1;
export const MODIFIED = 2;

/** Fields of a head in `Slab.words`, from `wordOf(position)` on. */
export const STORED_LOWER = 6;
/** The upper half of the expiry in its lower half; in its upper one a size, {@link ABSENT} or {@link UNKNOWN}. */
export const STORED_UPPER = 7;
export const NEXT = 8;
export const HASH = 9;
/** The group in the lower half, the number of the namespace in the upper one. */
export const OWNER = 10;
export const GENERATION = 11;
export const DIRTY_AT = 12;
export const ROUND = 13;
/** Bytes of the key in the lower half, flags in the upper one. */
export const KEY = 14;
/** Bytes of the value; {@link NO_VALUE} where it is known that there is no record. */
export const VALUE = 15;
export const NO_VALUE = -1;

/** The newest of its key, and found by it. */
export const NAMED = 0x1_0000;
/** In no checkpoint yet, or in one that is not durable. */
export const DIRTY = 0x2_0000;
/** Asked for since the hand last passed. */
export const USED = 0x4_0000;
export const KEY_BYTES = 0xffff;

/** In place of an expiry in the engine, where no record is or nothing is known. */
export const ABSENT = -1;
export const UNKNOWN = -2;
/** Bits of a size; those before them tell how far they were moved. */
const SIZE_BITS = 11;
const SIZE_MASK = 2 ** SIZE_BITS - 1;
/** From here on a code is one of those above. */
export const SIZE_CODES = 0x1_0000 + UNKNOWN;

// Worked out once: V8 calls a function for a power of a named constant, and that takes longer than all else here.
const UNIT_MASK = 2 ** UNIT_BITS - 1;
const UNIT_WORDS = UNIT_BYTES / 4;
const UNIT_DOUBLES = UNIT_BYTES / 8;
export const wordOf = (position: number) => (position & UNIT_MASK) * UNIT_WORDS;
export const doubleOf = (position: number) => (position & UNIT_MASK) * UNIT_DOUBLES;
export const byteOf = (position: number) => (position & UNIT_MASK) * UNIT_BYTES;

/** What a record takes. */
export function sizeOf(keyBytes: number, valueBytes: number): number {
  return (HEAD_BYTES + keyBytes + Math.max(0, valueBytes) + UNIT_BYTES - 1) & -UNIT_BYTES;
}

/** A size in 16 bits, to a thousandth: the same for the same size. */
export function sizeCode(bytes: number): number {
  const shift = Math.max(0, 32 - SIZE_BITS - Math.clz32(bytes));
  return (shift << SIZE_BITS) | (bytes >> shift);
}

export function sizeOfCode(code: number): number {
  return (code & SIZE_MASK) << (code >> SIZE_BITS);
}
