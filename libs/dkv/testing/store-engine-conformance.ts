/** What a {@link StoreEngine} must do, as tests that each implementation passes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type OpenStoreEngine,
  type StoreEngine,
  type StoreOperation,
} from '../src/storage/engines/store-engine.js';

const ALL = { from: Uint8Array.of(0), to: Uint8Array.of(255, 255) };

const bytes = (text: string) => Buffer.from(text);
const put = (key: string, value = key): StoreOperation => ({
  type: 'put',
  key: bytes(key),
  value: bytes(value),
});
const del = (key: string): StoreOperation => ({ type: 'del', key: bytes(key) });
const number = (at: number) => String(at).padStart(6, '0');

/** Declares the tests of the engine that `open` opens and that calls itself `name`; `isKept`: when it is closed, too. */
export function storeEngineConformance(
  title: string,
  name: string,
  isKept: boolean,
  open: OpenStoreEngine,
): void {
  describe(title, () => {
    let folder: string;
    let engine: StoreEngine;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'dkv-engine-'));
      engine = await open(join(folder, 'store'));
    });
    afterEach(async () => {
      await engine.close();
      await rm(folder, { recursive: true });
    });

    async function entries(range = ALL): Promise<string[]> {
      const found: string[] = [];
      for await (const { key, value } of engine.iterate(range)) {
        found.push(`${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`);
      }
      return found;
    }
    async function value(key: string): Promise<string | undefined> {
      const found = await engine.get(bytes(key));
      return found && Buffer.from(found).toString();
    }

    it('puts, replaces, deletes and gets', async () => {
      expect(engine.name).toBe(name);
      expect(await value('a')).toBeUndefined();
      await engine.batch([put('a'), put('b'), put('c')], { sync: false });
      await engine.batch([put('a', 'A'), del('b'), del('never')], { sync: true });
      expect([await value('a'), await value('b'), await value('c')]).toEqual(['A', undefined, 'c']);
    });

    it('applies the operations of a batch in order', async () => {
      await engine.batch([put('a', '1'), del('a'), put('b', '1'), put('b', '2')], { sync: false });
      expect(await entries()).toEqual(['b=2']);
    });

    it('keeps all bytes, empty values too, given as any view', async () => {
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const key = Uint8Array.from([0, 255, 0, 1]);
      const within = new Uint8Array(300);
      within.set(all, 20);
      await engine.batch(
        [
          { type: 'put', key, value: within.subarray(20, 276) },
          { type: 'put', key: Uint8Array.of(1), value: new Uint8Array(0) },
        ],
        { sync: false },
      );
      expect(Buffer.from((await engine.get(key))!)).toEqual(Buffer.from(all));
      expect(await engine.get(Uint8Array.of(1))).toHaveLength(0);
      const found = [];
      for await (const entry of engine.iterate(ALL)) {
        found.push(entry.key.byteLength, entry.value.byteLength);
      }
      expect(found).toEqual([4, 256, 1, 0]);
    });

    it('shares no bytes with its callers', async () => {
      const operation = { type: 'put', key: bytes('key'), value: bytes('value') } as const;
      const writing = engine.batch([operation], { sync: false });
      operation.key.fill(0);
      operation.value.fill(0);
      await writing;
      (await engine.get(bytes('key')))!.fill(0);
      for await (const entry of engine.iterate(ALL)) {
        entry.key.fill(0);
        entry.value.fill(0);
      }
      expect(await entries()).toEqual(['key=value']);
    });

    it('iterates a range in the order of bytes, its end not included', async () => {
      await engine.batch(
        ['b', 'a', 'ab', 'c', 'a\0', 'B'].map((key) => put(key, '')),
        { sync: false },
      );
      expect(await entries()).toEqual(['B=', 'a=', 'a\0=', 'ab=', 'b=', 'c=']);
      expect(await entries({ from: bytes('a\0'), to: bytes('c') })).toEqual(['a\0=', 'ab=', 'b=']);
      expect(await entries({ from: bytes('d'), to: bytes('e') })).toEqual([]);
      expect(await entries({ from: bytes('c'), to: bytes('a') })).toEqual([]);
    });

    it('iterates over many entries and over large ones', async () => {
      const count = 5_000;
      await engine.batch(
        Array.from({ length: count }, (_, at) =>
          put(number(at), at % 1_000 === 0 ? 'x'.repeat(200_000) : ''),
        ),
        { sync: false },
      );
      const found = await entries();
      expect(found.map((entry) => entry.slice(0, 6))).toEqual(
        Array.from({ length: count }, (_, at) => number(at)),
      );
      expect(found[3_000]).toHaveLength(200_007);
    });

    it('iterates over what is there all the while exactly once, whatever is written meanwhile', async () => {
      await engine.batch(
        Array.from({ length: 1_000 }, (_, at) => put(number(2 * at))),
        { sync: false },
      );
      const found: string[] = [];
      for await (const { key } of engine.iterate(ALL)) {
        found.push(Buffer.from(key).toString());
        if (found.length % 100 === 0) {
          const at = found.length;
          await engine.batch([put(number(2 * at + 1)), put(number(at)), put(number(1_999 - at))], {
            sync: false,
          });
        }
      }
      const even = found.filter((key) => Number(key) % 2 === 0);
      expect(even).toEqual(Array.from({ length: 1_000 }, (_, at) => number(2 * at)));
      expect(new Set(found).size).toBe(found.length);
    });

    it('knows its size, about', async () => {
      const before = engine.sizeBytes();
      // Bytes that do not compress.
      const value = Uint8Array.from(
        { length: 2_000_000 },
        (_, at) => (Math.imul(at, 2_654_435_761) >>> 13) & 255,
      );
      await engine.batch([{ type: 'put', key: bytes('large'), value }], { sync: true });
      expect(engine.sizeBytes()).toBeGreaterThan(before + 1_500_000);
      expect(engine.sizeBytes()).toBeLessThan(before + 4_000_000);
    });

    it('refuses everything once it is closed, and closes again', async () => {
      await engine.batch([put('a'), put('b')], { sync: false });
      await engine.close();
      await expect(engine.get(bytes('a'))).rejects.toThrow();
      await expect(engine.batch([put('a')], { sync: false })).rejects.toThrow();
      await expect(entries()).rejects.toThrow();
      expect(engine.sizeBytes()).toBe(0);
      await engine.close();
    });

    it('closes while it is used: what runs ends, an iteration stops at its next step', async () => {
      await engine.batch(
        Array.from({ length: 2_000 }, (_, at) => put(number(at), 'x'.repeat(500))),
        { sync: false },
      );
      const iterations = Array.from({ length: 3 }, () => engine.iterate(ALL)[Symbol.asyncIterator]());
      await Promise.all(iterations.map((iteration) => iteration.next()));
      const work = [
        ...Array.from({ length: 50 }, (_, at) => engine.get(bytes(number(at)))),
        ...Array.from({ length: 20 }, (_, at) => engine.batch([put(`new-${at}`)], { sync: true })),
      ];
      const settled = Promise.allSettled([...work, iterations[0]!.next()]);
      await engine.close();
      await settled;
      // Some entries may have been read ahead.
      const drain = async () => {
        for (let step = await iterations[1]!.next(); step.done !== true; step = await iterations[1]!.next());
      };
      await expect(drain()).rejects.toThrow();
      await iterations[2]!.return?.();
    });

    if (!isKept) {
      return;
    }

    it('has it all again after closing and opening', async () => {
      await engine.batch([put('a'), put('b')], { sync: false });
      await engine.close();
      engine = await open(join(folder, 'store'));
      expect(await entries()).toEqual(['a=a', 'b=b']);
    });

    it('cannot be opened twice', async () => {
      await expect(open(join(folder, 'store'))).rejects.toMatchObject({
        code: 'DKV_STORE_LOCKED',
        message: expect.stringContaining(join(folder, 'store')) as string,
      });
    });

    it('says why it cannot be opened', async () => {
      const taken = join(folder, 'file');
      await writeFile(taken, 'not a folder');
      await expect(open(taken)).rejects.toMatchObject({
        code: 'DKV_STORAGE_FAILED',
        message: expect.stringContaining(taken) as string,
      });
    });
  });
}
