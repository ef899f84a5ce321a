import { describe, expect, it } from 'vitest';
import { SortedEntries } from './sorted-entries.js';

const key = (at: number) => Buffer.from([at >>> 8, at & 255]);
const END = Buffer.from([255, 255, 255]);

describe('sorted entries', () => {
  it('hold what a plain map sorted by key holds, through puts and deletes of many', () => {
    const entries = new SortedEntries();
    const model = new Map<number, number>();
    for (let step = 0; step < 20_000; step++) {
      // Every number below 4096 in a scattered order, and every third one deleted again a while later.
      const at = (step * 2_654_435_761) % 4096;
      if (step % 3 === 2) {
        entries.delete(key(at));
        model.delete(at);
      } else {
        entries.set(key(at), Buffer.alloc(step % 50, step));
        model.set(at, step);
      }
    }
    const sorted = [...model].sort(([one], [two]) => one - two);
    expect(entries.page(key(0), false, END, Infinity).map((entry) => entry.key)).toEqual(
      sorted.map(([at]) => key(at)),
    );
    expect(entries.bytes).toBe(sorted.reduce((bytes, [, step]) => bytes + 2 + (step % 50), 0));
    for (let at = 0; at < 4096; at++) {
      const step = model.get(at);
      expect(entries.get(key(at))).toEqual(step === undefined ? undefined : Buffer.alloc(step % 50, step));
    }
    for (const [at] of sorted) {
      entries.delete(key(at));
    }
    expect(entries.bytes).toBe(0);
    expect(entries.page(key(0), false, END, 10)).toEqual([]);
    entries.set(key(7), key(7));
    expect(entries.get(key(7))).toEqual(key(7));
  });

  it('give pages from a key on, or behind it, up to another', () => {
    const entries = new SortedEntries();
    for (let at = 0; at < 3000; at += 2) {
      entries.set(key(at), key(at));
    }
    const page = (from: number, exclusive: boolean, to: number, limit: number) =>
      entries
        .page(key(from), exclusive, key(to), limit)
        .map((entry) => Buffer.from(entry.key).readUInt16BE());
    expect(page(10, false, 18, 100)).toEqual([10, 12, 14, 16]);
    expect(page(10, true, 18, 100)).toEqual([12, 14, 16]);
    expect(page(11, true, 18, 2)).toEqual([12, 14]);
    expect(page(0, false, 3000, 5000)).toHaveLength(1500);
    expect(page(18, false, 10, 100)).toEqual([]);
    const paged: number[] = [];
    for (let next = page(0, false, 3000, 7); next.length > 0; next = page(paged.at(-1)!, true, 3000, 7)) {
      paged.push(...next);
    }
    expect(paged).toEqual(Array.from({ length: 1500 }, (_, at) => 2 * at));
  });
});
