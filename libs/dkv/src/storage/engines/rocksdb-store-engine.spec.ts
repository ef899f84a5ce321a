import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openRocksdbStoreEngine } from './rocksdb-store-engine.js';
import { type StoreEngine, type StoreOperation } from './store-engine.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const put = (key: string, value: string): StoreOperation => ({
  type: 'put',
  key: bytes(key),
  value: bytes(value),
});
/** The binding takes no empty key: a batch that fails without a full disk. */
const FAILING = [put('', 'v')];
const SYNC = { sync: true };

let folder: string;
let engine: StoreEngine;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dkv-rocksdb-'));
  engine = await openRocksdbStoreEngine(folder);
});

afterEach(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

async function textOf(key: string): Promise<string | undefined> {
  const value = await engine.get(bytes(key));
  return value && Buffer.from(value).toString();
}

it('goes on after a failed batch as a store that was opened again', async () => {
  await engine.batch([put('a', '1'), put('b', '1')], SYNC);
  await expect(engine.batch(FAILING, SYNC)).rejects.toThrow();
  expect(await textOf('a')).toBe('1');
  const entries = engine.iterate({ from: bytes('a'), to: bytes('z') })[Symbol.asyncIterator]();
  expect((await entries.next()).value).toBeDefined();

  const written = engine.batch([put('b', '2')], SYNC);
  expect(await Promise.all([written, engine.batch([put('c', '2')], SYNC), textOf('a')])).toEqual([
    undefined,
    undefined,
    '1',
  ]);
  // Only a store that was opened again has ended the iterations of the one before.
  await expect(entries.next()).rejects.toThrow('closed under an iteration');
  expect([await textOf('a'), await textOf('b'), await textOf('c')]).toEqual(['1', '2', '2']);

  await engine.close();
  engine = await openRocksdbStoreEngine(folder);
  expect([await textOf('a'), await textOf('b'), await textOf('c')]).toEqual(['1', '2', '2']);
});

it('is closed for good after a failed batch too', async () => {
  await expect(engine.batch(FAILING, SYNC)).rejects.toThrow();
  await engine.close();
  await expect(engine.batch([put('a', '1')], SYNC)).rejects.toThrow();
  await expect(engine.get(bytes('a'))).rejects.toMatchObject({ code: 'DKV_NOT_READY' });
});
