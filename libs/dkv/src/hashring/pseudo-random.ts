/** Repeatable pseudo-randomness: the same numbers for the same names, on every machine. */

/** An unsigned 32-bit number for a name. Integer operations only. */
export function seedOf(name: string): number {
  // FNV-1a over UTF-16 units; the finaliser spreads what FNV leaves in the low bits.
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  return scramble(hash);
}

/** Uniform in (0, 1), never 0 or 1: the draw of a seed for a partition. */
export function drawOf(seed: number, partition: number): number {
  // An odd multiplier takes no two partitions to the same number; the finaliser does the rest.
  return (scramble(seed ^ Math.imul(partition + 1, 0x9e3779b1)) + 0.5) / 0x1_0000_0000;
}

/** The finaliser of MurmurHash3 (Appleby): every input bit changes every output bit with a chance of a half. */
function scramble(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
