import { describe, expect, it, vi } from 'vitest';
import { type StrongRecord } from '../../ports/strong-store.js';
import { RecordTable } from './record-table.js';

const KIB = 1_024;
const MIB = 1_048_576;

const recordOf = (index: number, value: string | Buffer): StrongRecord => ({
  generation: 1,
  index,
  expiresAtMs: 0,
  modifiedMs: 1_700_000_000_000,
  value: Buffer.from(value),
});

function valueOf(table: RecordTable, key: string): string | undefined {
  const position = table.find('ns', key);
  const record = position === 0 ? undefined : table.slabs.recordAt(position);
  return record && Buffer.from(record.value).toString();
}

/** All that is dirty comes into the cache. */
function checkpoint(table: RecordTable, number = 1): void {
  const group = table.group(number);
  table.settle(group, table.take(group).length);
}

describe('the table of records', () => {
  it('takes little more than the bytes of what is in it', () => {
    const table = new RecordTable(64 * MIB, 64 * MIB);
    for (let index = 0; index < 10_000; index++) {
      table.write(1, 'ns', `key ${index}`, recordOf(index, 'x'.repeat(100)));
    }
    checkpoint(table);
    expect(table.dirtyBytes).toBe(0);
    expect(table.cacheBytes / 10_000).toBeLessThanOrEqual(2.5 * (8 + 100) + 100);
    expect(table.cacheBytes / 10_000).toBeLessThanOrEqual(200);
  });

  it('gives back what keys that are written again and again leave, and forgets none for it', () => {
    const table = new RecordTable(64 * MIB, 64 * MIB);
    for (let index = 0; index < 100; index++) {
      table.write(1, 'ns', `cold ${index}`, recordOf(index, `${index}`));
      for (let again = 0; again < 500; again++) {
        table.write(1, 'ns', `hot ${index % 7}`, recordOf(index, `${index} `.padEnd(4_000)));
      }
    }
    checkpoint(table);
    // 200 MB were written.
    expect(table.cacheBytes).toBeLessThan(6 * MIB);
    for (let index = 0; index < 100; index++) {
      expect(valueOf(table, `cold ${index}`)).toBe(`${index}`);
    }
    for (let index = 93; index < 100; index++) {
      expect(valueOf(table, `hot ${index % 7}`)).toBe(`${index} `.padEnd(4_000));
    }
  });

  it('keeps in the cache what was asked for, large or small, and what is dirty', () => {
    const table = new RecordTable(256 * KIB, 256 * KIB);
    const large = 'L'.repeat(100 * KIB);
    table.write(1, 'ns', 'large', recordOf(1, large));
    table.write(1, 'ns', 'small', recordOf(2, 'small'));
    table.write(2, 'ns', 'dirty', recordOf(3, 'dirty'));
    checkpoint(table);
    for (let index = 0; index < 5_000; index++) {
      table.use(table.find('ns', 'large'));
      table.use(table.find('ns', 'small'));
      table.load(1, 'ns', `key ${index}`, recordOf(index, 'x'.repeat(200)));
    }
    expect(['large', 'small', 'dirty'].map((key) => valueOf(table, key))).toEqual([large, 'small', 'dirty']);
    expect(valueOf(table, 'key 0')).toBeUndefined();
    expect(valueOf(table, 'key 4999')).toBe('x'.repeat(200));
    expect(table.cacheBytes).toBeLessThanOrEqual(256 * KIB);
  });

  it('never changes what it has shown, whatever becomes of the key', () => {
    const table = new RecordTable(16 * KIB, 16 * KIB);
    table.write(1, 'ns', 'k', recordOf(1, 'as it was'));
    const record = table.slabs.recordAt(table.find('ns', 'k'))!;
    for (let index = 2; index < 2_000; index++) {
      table.write(1, 'ns', 'k', recordOf(index, `later ${index}`));
      checkpoint(table);
      table.load(1, 'ns', `other ${index}`, recordOf(index, 'x'.repeat(100)));
    }
    expect([record.index, Buffer.from(record.value).toString()]).toEqual([1, 'as it was']);
  });

  it('fills the memory of what is gone again, unless somebody was shown it', () => {
    const table = new RecordTable(256 * KIB, 256 * KIB);
    const filled = new Set<Buffer>();
    for (let index = 0; index < 20_000; index++) {
      table.write(1, 'ns', `key ${index % 7}`, recordOf(index, 'x'.repeat(100)));
      filled.add(table.slabs.at(table.find('ns', `key ${index % 7}`)).bytes);
    }
    const shown = table.slabs.at(table.find('ns', 'key 1'));
    table.slabs.recordAt(table.find('ns', 'key 1'));
    const before = filled.size;
    for (let index = 0; index < 20_000; index++) {
      table.write(1, 'ns', `key ${index % 7}`, recordOf(index, 'x'.repeat(100)));
      const slab = table.slabs.at(table.find('ns', `key ${index % 7}`));
      filled.add(slab.bytes);
      expect(slab === shown && index > 1_000).toBe(false);
    }
    // 7 MB in all, by slabs of 1 KiB.
    expect([before, filled.size]).toEqual([before, before + 1]);
    expect(before).toBeLessThan(200);
  });

  it('lets a checkpoint write what it took, whatever is written, moved and dropped meanwhile', () => {
    const table = new RecordTable(16 * KIB, 16 * KIB);
    const group = table.group(1);
    for (let index = 0; index < 50; index++) {
      table.write(1, 'ns', `key ${index}`, recordOf(index, `${index}`));
    }
    const taken = table.take(group);
    for (let index = 0; index < 1_000; index++) {
      table.write(1, 'ns', `key ${index % 25}`, recordOf(1_000 + index, 'x'.repeat(300)));
    }
    table.drop(table.group(2));
    expect(taken.map((position) => table.slabs.keyAt(position))).toEqual(
      Array.from({ length: 50 }, (_, index) => `key ${index}`),
    );
    expect(taken.map((position) => Buffer.from(table.slabs.passingAt(position)!.value).toString())).toEqual(
      Array.from({ length: 50 }, (_, index) => `${index}`),
    );
    table.settle(group, 20);
    table.settle(group, 50);
    expect(group.dirty).toHaveLength(25);
    expect(table.slabs.isDirtyAt(table.find('ns', 'key 0'))).toBe(true);
    expect(table.slabs.storedAt(table.find('ns', 'key 0'))).toBe(0);
  });

  it.each([43, 64, 70, 100, 200])('moves little for values of %i KiB, of which few lie in a slab', (kib) => {
    for (const cacheBytesMax of [0, 32 * MIB]) {
      const table = new RecordTable(cacheBytesMax, 64 * MIB);
      const copy = vi.spyOn(table.slabs, 'copy');
      const value = Buffer.alloc(kib * KIB, 'x');
      for (let index = 0; index < 1_000; index++) {
        table.write(1, 'ns', `key ${index % 700}`, { ...recordOf(index, ''), value });
        if (table.dirtyBytes >= 16 * MIB) {
          checkpoint(table);
        }
      }
      expect(copy.mock.calls.length).toBeLessThan(100);
      expect(table.cacheBytes).toBeLessThanOrEqual(cacheBytesMax * 1.5 + MIB);
    }
  });

  it('does not go on to make room where nothing makes any', () => {
    const table = new RecordTable(0, 4 * MIB);
    for (let index = 0; index < 20_000; index++) {
      table.write(1, 'ns', `key ${index}`, recordOf(index, 'x'.repeat(100)));
    }
    let turns = 0;
    while (table.shrink()) {
      turns++;
    }
    expect(turns).toBeLessThan(10);
    expect(table.dirtyBytes).toBeGreaterThan(3 * MIB);
  });

  it('refuses more namespaces than it can tell apart', () => {
    const table = new RecordTable(MIB, 32 * MIB);
    for (let at = 0; at < 65_536; at++) {
      table.write(1, `namespace ${at}`, 'k', undefined);
    }
    expect(() => table.write(1, 'one more', 'k', undefined)).toThrow(RangeError);
    expect(table.markAt(table.find('namespace 65535', 'k'))).toEqual({
      namespace: 'namespace 65535',
      key: 'k',
    });
  });

  it('finds keys that no other is like, in whatever characters and namespaces', () => {
    const table = new RecordTable(MIB, MIB);
    const keys = ['k', 'é', '\u{10ffff}', '', 'x'.repeat(5_000), 'ü'.repeat(2_000)];
    for (const [at, key] of keys.entries()) {
      table.write(at, 'ns', key, recordOf(at, key));
      table.write(7, 'other', key, undefined);
    }
    for (const [at, key] of keys.entries()) {
      const position = table.find('ns', key);
      expect(table.slabs.groupAt(position)).toBe(at);
      expect(table.markAt(position)).toEqual({ namespace: 'ns', key });
      expect(valueOf(table, key)).toBe(key);
      expect(table.slabs.hasValue(table.find('other', key))).toBe(false);
    }
    expect(table.find('ns', 'kk')).toBe(0);
    expect(table.find('unknown', 'k')).toBe(0);
    expect(() => table.write(1, 'ns', 'k'.repeat(65_536), undefined)).toThrow(RangeError);
  });
});
