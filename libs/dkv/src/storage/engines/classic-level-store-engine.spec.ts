/** Writes that fail half-way: a limit on the size of files (RLIMIT_FSIZE) cuts them where a full disk would. */
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileBytesLimit } from '../../../testing/file-bytes-limit.js';
import { openClassicLevelStoreEngine } from './classic-level-store-engine.js';
import { type StoreEngine, type StoreOperation } from './store-engine.js';

const SYNC = { sync: true };
const PER_BATCH = 256;
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;
const MEBIBYTE = 1024 * 1024;
const WHY_SKIPPED = 'NOT RUN: without prlimit (Linux) no write can be made to fail half-way.';
const LIMITED = FileBytesLimit.isPossible;

const keyOf = (batch: string, at: number) => Buffer.from(`${batch}-${String(at).padStart(3, '0')}`);
const batchOf = (name: string, valueBytes = 100): StoreOperation[] =>
  Array.from({ length: PER_BATCH }, (_, at) => ({
    type: 'put',
    key: keyOf(name, at),
    value: Buffer.alloc(valueBytes, at),
  }));

let home: string;
let folder: string;
let engine: StoreEngine;
let limit: FileBytesLimit | undefined;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'dkv-level-'));
  folder = join(home, 'store');
  mkdirSync(folder);
  engine = await openClassicLevelStoreEngine(folder);
  limit = LIMITED ? new FileBytesLimit() : undefined;
});

afterEach(async () => {
  limit?.lift();
  await engine.close();
  rmSync(home, { recursive: true });
});

const logBytes = (): number =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

/** What a process would find that opened the store after this one was killed. */
async function countsAfterKill(batches: readonly string[]): Promise<number[]> {
  const copy = join(home, 'copy');
  cpSync(folder, copy, { recursive: true });
  const survivor = await openClassicLevelStoreEngine(copy);
  try {
    return await countsOf(survivor, batches);
  } finally {
    await survivor.close();
  }
}

/** How many entries of each batch are there. */
async function countsOf(store: StoreEngine, batches: readonly string[]): Promise<number[]> {
  const counts = new Map(batches.map((name) => [name, 0]));
  for await (const { key } of store.iterate({ from: Buffer.of(0), to: Buffer.of(255) })) {
    const name = Buffer.from(key).toString().split('-')[0]!;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return batches.map((name) => counts.get(name)!);
}

describe('after a batch of which half came into the log', () => {
  it.for([100, 400, 3_000])(
    'what is acknowledged is there after a kill, with values of %i bytes',
    async (valueBytes, { skip }) => {
      skip(!LIMITED, WHY_SKIPPED);
      await engine.batch(batchOf('before', valueBytes), SYNC);
      limit!.set(logBytes() + (PER_BATCH * valueBytes) / 2);
      await expect(engine.batch(batchOf('half', valueBytes), SYNC)).rejects.toThrow(/\.log: File too large/);
      limit!.lift();
      await engine.batch(batchOf('after', valueBytes), SYNC);
      await engine.batch(batchOf('later', valueBytes), SYNC);

      expect(await countsOf(engine, ['before', 'after', 'later'])).toEqual(Array(3).fill(PER_BATCH));
      const [half, ...acknowledged] = await countsAfterKill(['half', 'before', 'after', 'later']);
      expect(acknowledged).toEqual(Array(3).fill(PER_BATCH));
      expect([0, PER_BATCH]).toContain(half);
    },
  );
});

describe('after a table that did not fit', () => {
  it('batches are taken again, and what was acknowledged is there after a kill', async ({ skip }) => {
    skip(!LIMITED, WHY_SKIPPED);
    // With what LevelDB adds, just more than the write buffer takes: the next batch begins a new log.
    const value = randomBytes(MEBIBYTE);
    for (let at = 0; at < WRITE_BUFFER_BYTES / MEBIBYTE; at++) {
      await engine.batch([{ type: 'put', key: keyOf('large', at), value }], SYNC);
    }
    // Half of the table, and more than the new log gets meanwhile.
    limit!.set(WRITE_BUFFER_BYTES / 2);
    let acknowledged = 0;
    const smallOnes = async () => {
      for (;;) {
        await engine.batch([{ type: 'put', key: keyOf('small', acknowledged), value: Buffer.of(1) }], SYNC);
        acknowledged++;
      }
    };
    await expect(smallOnes()).rejects.toThrow(/\.ldb: File too large/);
    limit!.lift();
    await engine.batch(batchOf('after'), SYNC);

    expect(await countsAfterKill(['large', 'small', 'after'])).toEqual([
      WRITE_BUFFER_BYTES / MEBIBYTE,
      acknowledged,
      PER_BATCH,
    ]);
  });
});
