/** Texts that come again with every message, such as names of nodes and namespaces: decoded and checked once. */

const SLOTS = 64;

interface KnownText {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/**
 * Comparing a few bytes costs 20 ns where decoding and checking them costs 120, and who looks a text up in a Map finds
 * one whose hash is known. Bounded: a text takes the place of the one that was in its slot.
 */
export class KnownTexts {
  private readonly slots: (KnownText | undefined)[] = Array.from({ length: SLOTS }, () => undefined);

  /** The text that these bytes were before; undefined of bytes that are not known. */
  find(bytes: Uint8Array, start: number, end: number): string | undefined {
    const known = this.slots[slotOf(bytes, start, end)];
    return known !== undefined && isAt(bytes, start, end, known.bytes) ? known.text : undefined;
  }

  add(bytes: Uint8Array, start: number, end: number, text: string): void {
    this.slots[slotOf(bytes, start, end)] = { bytes: Uint8Array.from(bytes.subarray(start, end)), text };
  }
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  return end === start ? 0 : (31 * (end - start) + 7 * bytes[start]! + bytes[end - 1]!) % SLOTS;
}

function isAt(bytes: Uint8Array, start: number, end: number, known: Uint8Array): boolean {
  if (end - start !== known.length) {
    return false;
  }
  // Names of nodes differ at their end.
  for (let i = known.length - 1; i >= 0; i--) {
    if (bytes[start + i] !== known[i]) {
      return false;
    }
  }
  return true;
}
