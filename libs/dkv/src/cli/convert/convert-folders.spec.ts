/** `dkv convert` on the folders of real nodes: to another engine and back, refused where it cannot be done well. */
import { Test, type TestingModule } from '@nestjs/testing';
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { runShell } from '../../../testing/cli/captured-terminal.js';
import { rejected } from '../../../testing/caught.js';
import { Dkv } from '../../dkv.js';
import { DkvModule } from '../../dkv.module.js';
import { ENGINE_OPENERS } from '../../storage/engines/disk-engines.js';
import { getDkvToken } from '../../dkv.tokens.js';
import { type DiskEngine } from '../../storage/folder/store-identity.js';
import { EXIT } from '../exit-codes.js';

const KEYS = Array.from({ length: 40 }, (_, number) => `k${number}`);
const EVENTUAL = 'eventual';

let root: string;
let from: string;
let to: string;
let node: TestingModule | undefined;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dkv-convert-'));
  from = join(root, 'old');
  to = join(root, 'new');
});

afterEach(async () => {
  await stop();
  await rm(root, { recursive: true, force: true });
});

async function start(dataDir: string, storage: 'auto' | DiskEngine): Promise<void> {
  const logger = new CapturedLog();
  node = await Test.createTestingModule({
    imports: [
      DkvModule.forRoot({ nodeId: 'a', storage, dataDir, partitions: 4, logger }),
      DkvModule.forFeature([{ name: EVENTUAL, mode: 'eventual' }]),
    ],
  }).compile();
  await node.init();
}

async function stop(): Promise<void> {
  await node?.close();
  node = undefined;
}

const clients = () => [node!.get<Dkv<string>>(Dkv), node!.get<Dkv<string>>(getDkvToken(EVENTUAL))];

async function versions(): Promise<(string | undefined)[]> {
  const pairs = await Promise.all(clients().flatMap((client) => KEYS.map((key) => client.get(key))));
  return pairs.map((pair) => pair && `${pair.value} ${pair.version}`);
}

/** A node has been here: with values, some of them deleted, some only in the log. */
async function written(storage: DiskEngine): Promise<(string | undefined)[]> {
  for (const value of ['first', 'second']) {
    await start(from, storage);
    for (const client of clients()) {
      await Promise.all(KEYS.map((key) => client.addOrUpdate(key, `${value} of ${key}`)));
      await client.remove('k7');
    }
    await (value === 'first' ? stop() : undefined);
  }
  const found = await versions();
  await stop();
  return found;
}

const convert = (engine: string, ...rest: string[]) =>
  runShell(['convert', '--data-dir', from, '--to', engine, '--out', to, ...rest]);

/** All that is not the engine's own: its log, the identity, what the node notes. */
async function filesOf(folder: string, engine: DiskEngine): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !path.startsWith(join(folder, engine))) {
      files[path] = (await readFile(path)).toString('latin1');
    }
  }
  return files;
}

describe('a folder', () => {
  it.each([
    ['rocksdb', 'classic-level'],
    ['classic-level', 'rocksdb'],
  ] as const)(
    'of %s is one of %s with all its keys and versions, as the refusal to start it advised',
    async (engine, other) => {
      const found = await written(engine);
      const before = await filesOf(from, engine);
      const refused = await rejected(start(from, other));
      expect(refused.code).toBe('DKV_STORE_MISMATCH');
      expect(refused.message).toContain(
        `npx -p nestjs-dkv dkv convert --data-dir ${from} --to ${other} --out`,
      );

      const { code, out, error } = await convert(other);
      expect([code, error]).toEqual([EXIT.done, '']);
      expect(out).toMatch(/^Node a: \d{2,} entries .* all were read back and are the same\./);
      expect(await filesOf(from, engine)).toEqual(before);
      await start(to, other);
      expect(await versions()).toEqual(found);
      expect(found.filter((value) => value?.startsWith('second'))).toHaveLength(2 * (KEYS.length - 1));
      await stop();
      await start(from, engine);
      expect(await versions()).toEqual(found);
    },
  );

  it('in use is refused', async () => {
    await start(from, 'classic-level');
    const { code, error } = await convert('rocksdb');
    expect([code, error]).toEqual([EXIT.inUse, expect.stringContaining('DKV_STORE_LOCKED') as string]);
  });

  it('that is not empty is not written into', async () => {
    await written('classic-level');
    await mkdir(to);
    await writeFile(join(to, 'photo.jpg'), 'x');
    expect(await convert('rocksdb')).toMatchObject({
      code: EXIT.failed,
      error: expect.stringMatching(/DKV_STORE_MISMATCH: .* is not empty \(photo\.jpg\)/) as string,
    });
    expect(await readdir(to)).toEqual(['photo.jpg']);
  });

  it('with a damaged log is refused, and recovered first it is not', async () => {
    await written('classic-level');
    const [segment] = (await readdir(join(from, 'log'))).filter((name) => name.endsWith('.seg')).sort();
    const file = await open(join(from, 'log', segment!), 'r+');
    const { size } = await file.stat();
    await file.write(Buffer.alloc(64, 0xff), 0, 64, Math.floor(size / 2));
    await file.close();
    const { code, error } = await convert('rocksdb');
    expect([code, error]).toEqual([
      EXIT.failed,
      expect.stringContaining(`dkv recover --data-dir ${from}`) as string,
    ]);
    await expect(readdir(to)).rejects.toMatchObject({ code: 'ENOENT' });
    expect((await runShell(['recover', '--data-dir', from, '--yes'])).code).toBe(EXIT.done);
    expect((await convert('rocksdb')).code).toBe(EXIT.done);
  });

  it('whose copy differs from it cannot be started', async () => {
    await written('rocksdb');
    const { 'classic-level': opener } = ENGINE_OPENERS;
    vi.spyOn(ENGINE_OPENERS, 'classic-level').mockImplementation(async (folder) => {
      const engine = await opener(folder);
      const batch = engine.batch.bind(engine);
      engine.batch = (operations, options) => batch(operations.slice(1), options);
      return engine;
    });
    const { code, error } = await convert('classic-level');
    expect([code, error]).toEqual([
      EXIT.failed,
      expect.stringMatching(/entry 1 is not what was written/) as string,
    ]);
    expect((await rejected(start(to, 'auto'))).message).toMatch(/is not empty .* has no store-identity/);
  });

  it('that is of that engine, or of none, or asked for in an unknown one, is left alone', async () => {
    expect((await convert('rocksdb')).error).toMatch(/it is no data folder of nestjs-dkv/);
    await written('classic-level');
    expect((await convert('classic-level')).error).toMatch(/is of classic-level already/);
    expect(await convert('sqlite')).toMatchObject({
      code: EXIT.usage,
      error: expect.stringContaining('rocksdb, rocksdb-native, classic-level') as string,
    });
  });
});
