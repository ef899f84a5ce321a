/** Versions among the bytes of records and messages: told from what is none without making a text of them. */

const HEX = 1;
const NODE_ID = 2;
const CLASSES = Uint8Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCharCode(code);
  return (/[0-9a-f]/.test(character) ? HEX : 0) | (/[A-Za-z0-9._-]/.test(character) ? NODE_ID : 0);
});
const DASH = 0x2d;
const MARK = 0x21;
const PLUS = 0x2b;
const NODE_ID_LENGTH_MAX = 100;

/** Whether the bytes from `start` to before `end`, which are there, are a version: as `isVersion` of their text. */
export function isVersionAt(bytes: Uint8Array, start: number, end: number): boolean {
  const counterAt = start + 13;
  if (counterAt > end || !isHex(bytes, start, 12) || bytes[start + 12] !== DASH) {
    return false;
  }
  const stamped = stampEnd(bytes, counterAt, end);
  return (
    stamped === end || (stamped > 0 && bytes[stamped] === PLUS && stampEnd(bytes, stamped + 1, end) === end)
  );
}

/** Where a counter, a node id and a boot number that begin at `at` end; 0 when they do not. */
function stampEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 5 > end || !isHex(bytes, at, 4) || bytes[at + 4] !== DASH) {
    return 0;
  }
  const nodeIdAt = at + 5;
  let next = nodeIdAt;
  while (next < end && (CLASSES[bytes[next]!]! & NODE_ID) !== 0) {
    next++;
  }
  const length = next - nodeIdAt;
  const bootAt = next + 1;
  const isSound =
    length >= 1 &&
    length <= NODE_ID_LENGTH_MAX &&
    bytes[next] === MARK &&
    bootAt + 8 <= end &&
    isHex(bytes, bootAt, 8);
  return isSound ? bootAt + 8 : 0;
}

function isHex(bytes: Uint8Array, at: number, length: number): boolean {
  let isSound = HEX;
  for (let i = at; i < at + length; i++) {
    isSound &= CLASSES[bytes[i]!]!;
  }
  return isSound === HEX;
}
