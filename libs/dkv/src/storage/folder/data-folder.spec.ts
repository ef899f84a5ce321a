import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { rejected } from '../../../testing/caught.js';
import { ChildRepo } from '../../../testing/local-kv/child-repo.js';
import { nodeRepo, type NodeRepoOptions } from '../../../testing/local-kv/node-repo.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { type DkvError } from '../../dkv.errors.js';
import { stampRecord } from '../../model/record.js';
import { formatVersion } from '../../model/version.js';
import { type LocalKvRepo, type StoreIdentity } from '../../ports/local-kv-repo.js';
import { DataFolder } from './data-folder.js';
import { type EngineProbes } from '../engines/engine-choice.js';
import { MemoryStoreEngine } from '../engines/memory-store-engine.js';
import { createIdentity } from './store-identity.js';

const IDENTITY: StoreIdentity = { nodeId: 'n1', partitions: 8, hashFunc: 'md5' };
const ID = { partition: 0, namespace: 'default', key: 'k' };
const RECORD = stampRecord({
  ...ID,
  version: formatVersion({ physicalMs: 1, counter: 0, nodeId: 'n1', boot: 1 }),
  tombstone: false,
  expiresAtMs: 0,
  value: Buffer.from('value'),
});

const RUNS: EngineProbes = { rocksdb: async () => undefined, 'rocksdb-native': async () => undefined };
const NEITHER: EngineProbes = {
  rocksdb: async () => 'it aborts',
  'rocksdb-native': async () => 'it is not installed',
};

let root: string;
let dataDir: string;
let log: CapturedLog;
const opened: LocalKvRepo[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dkv-folder-'));
  dataDir = join(root, 'data');
  log = new CapturedLog();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((repo) => repo.close()));
  await rm(root, { recursive: true });
});

async function open(
  options: Partial<NodeRepoOptions> = {},
  identity: Partial<StoreIdentity> = {},
): Promise<LocalKvRepo> {
  const defaults = {
    storage: 'classic-level',
    dataDir,
    durability: 'wal',
    logger: log,
    lockWaitMs: 0,
  } as const;
  const repo = nodeRepo({ ...defaults, ...options });
  await repo.open({ ...IDENTITY, ...identity });
  opened.push(repo);
  return repo;
}

/** A folder with a record in it, closed. */
async function written(options: Partial<NodeRepoOptions> = {}): Promise<void> {
  const repo = await open(options);
  await repo.update(ID, () => RECORD);
  await repo.close();
}

/** The modes of all that is in the data folder, by kind; those that an engine makes are its own. */
async function modes(): Promise<{ folders: string[]; files: string[] }> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const found = { folders: new Set<string>(), files: new Set<string>() };
  for (const entry of entries) {
    const isEngines = entry.parentPath.endsWith('classic-level') && entry.name !== 'held-by';
    if (entry.isDirectory() || !isEngines) {
      const { mode } = await stat(join(entry.parentPath, entry.name));
      found[entry.isDirectory() ? 'folders' : 'files'].add((mode & 0o777).toString(8));
    }
  }
  return { folders: [...found.folders], files: [...found.files] };
}

async function identityFile(): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(dataDir, 'store-identity'), 'utf8')) as Record<string, unknown>;
}

async function changeIdentity(change: Record<string, unknown>): Promise<void> {
  await writeFile(join(dataDir, 'store-identity'), JSON.stringify({ ...(await identityFile()), ...change }));
}

/** What opening is refused with, and that the data is untouched by it. */
async function refusal(opening: Promise<unknown>, code: string): Promise<string> {
  const error = await rejected(opening);
  expect(error.code).toBe(code);
  expect(error.message).toContain(dataDir);
  return error.message;
}

describe('a data folder', () => {
  it('is made with its identity, and the engine below', async () => {
    const clock = new ManualClock(Date.UTC(2026, 0, 2));
    dataDir = join(root, 'deep', 'down', 'data');
    await open({ clock });
    expect((await readdir(dataDir)).sort()).toEqual(['classic-level', 'log', 'store-identity']);
    expect(await identityFile()).toEqual({
      format: 3,
      engine: 'classic-level',
      state: 'made',
      ...IDENTITY,
      created: '2026-01-02T00:00:00.000Z',
    });
  });

  it.each(['rocksdb', 'classic-level'] as const)('of %s is opened again by its node', async (storage) => {
    await written({ storage });
    const identity = await identityFile();
    for (const asked of [storage, 'auto'] as const) {
      const repo = await open({ storage: asked });
      expect((await repo.get(ID))?.version).toBe(RECORD.version);
      expect(repo.metrics().engine).toBe(storage);
      await repo.close();
    }
    expect(await identityFile()).toEqual(identity);
    expect(log.warnings).toEqual([]);
  });

  it.each<[keyof StoreIdentity, string | number, RegExp]>([
    ['nodeId', 'n2', /nodeId "n1".*"n2".*folder of its own.*set nodeId to "n1"/],
    ['partitions', 16, /partitions 8.*16.*set partitions to 8/],
    ['hashFunc', 'xxhash', /hashFunc "md5".*"xxhash".*use "md5"/],
  ])('refuses another %s, naming both and the remedy', async (field, value, message) => {
    await written();
    expect(await refusal(open({}, { [field]: value }), 'DKV_STORE_MISMATCH')).toMatch(message);
    expect((await (await open()).get(ID))?.version).toBe(RECORD.version);
  });

  it('refuses another engine than the one that wrote it', async () => {
    await written({ storage: 'classic-level' });
    const message = await refusal(open({ storage: 'rocksdb' }), 'DKV_STORE_MISMATCH');
    expect(message).toMatch(/written by classic-level.*'rocksdb'/);
    expect(await readdir(dataDir)).not.toContain('rocksdb');
  });

  it.each<[number, RegExp]>([
    [4, /format 4.*reads 3.*the release that wrote it, or a newer one\./],
    [2, /format 2.*reads 3.*the release that wrote it\.$/],
  ])('refuses another format: %i', async (format, message) => {
    await written();
    await changeIdentity({ format });
    expect(await refusal(open(), 'DKV_STORE_MISMATCH')).toMatch(message);
  });

  it.each([
    ['no JSON', '{"format":1,'],
    ['no object', 'null'],
    ['an unknown engine', JSON.stringify({ format: 3, engine: 'bdb', state: 'made', ...IDENTITY })],
    ['fields missing', JSON.stringify({ format: 3, engine: 'rocksdb', state: 'made', nodeId: 'n1' })],
  ])('refuses an identity with %s', async (_, text) => {
    await written();
    await writeFile(join(dataDir, 'store-identity'), text);
    expect(await refusal(open(), 'DKV_STORE_MISMATCH')).toMatch(
      /cannot be understood.*dkv recover --data-dir/,
    );
  });

  it('refuses a folder with files of somebody else, and leaves them alone', async () => {
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'photos.zip'), 'precious');
    expect(await refusal(open(), 'DKV_STORE_MISMATCH')).toMatch(/photos\.zip.*no store-identity/);
    expect(await readdir(dataDir)).toEqual(['photos.zip']);
  });

  it('takes an empty one, also with what a file system or a killed start of ours leaves', async () => {
    await mkdir(join(dataDir, 'lost+found'), { recursive: true });
    await mkdir(join(dataDir, '.rocksdb-probe-x1y2z3'));
    await writeFile(join(dataDir, 'store-identity.0000.tmp'), '{"form');
    await open();
  });

  it.each([
    ['is a file', () => writeFile(dataDir, '')],
    [
      'lies below a file',
      () => writeFile((dataDir = join(root, 'file')), '').then(() => (dataDir = join(dataDir, 'data'))),
    ],
  ])('that %s cannot be used', async (_, make) => {
    await make();
    expect(await refusal(open(), 'DKV_STORAGE_FAILED')).toMatch(/cannot be used: E(EXIST|NOTDIR)/);
  });
});

describe('a data folder in use', () => {
  it.each(['rocksdb', 'classic-level'] as const)(
    'of %s is refused to a second repository of this process',
    async (storage) => {
      const first = await open({ storage });
      const link = join(root, 'link');
      await symlink(dataDir, link);
      for (const path of [dataDir, join(dataDir, '..', 'data'), link]) {
        const error = await rejected(open({ storage, dataDir: path }));
        expect(error.code).toBe('DKV_STORE_LOCKED');
        expect(error.message).toMatch(/open already.*forRoot/);
      }
      await first.update(ID, () => RECORD);
      await first.close();
      expect((await (await open({ storage })).get(ID))?.version).toBe(RECORD.version);
    },
  );

  it.each(['rocksdb', 'classic-level'] as const)(
    'of %s is refused to another process',
    { timeout: 60_000 },
    async (storage) => {
      const child = new ChildRepo({ storage, dataDir, durability: 'wal', identity: IDENTITY });
      await child.said(1);
      expect(child.lines).toEqual([`open ${storage}`]);
      const told = await refusal(open({ storage }), 'DKV_STORE_LOCKED');
      expect(told).toMatch(
        new RegExp(`is open already, in process ${child.pid} on \\S+, since 20[-\\dT:.]+Z\\.`),
      );
      await refusal(open({ storage: 'auto' }), 'DKV_STORE_LOCKED');
      await child.kill();
      await open({ storage });
    },
  );

  it('is waited for while another process closes it, and no longer', async () => {
    const child = new ChildRepo({
      storage: 'classic-level',
      dataDir,
      durability: 'wal',
      identity: IDENTITY,
    });
    await child.said(1);
    const clock = new ManualClock();
    const tries = vi.spyOn(clock, 'schedule');
    const start = () => open({ clock, lockWaitMs: 1_000 });
    const tried = (count: number) => vi.waitFor(() => expect(tries.mock.calls.length).toBe(count));

    const patient = start();
    await tried(1);
    for (let count = 2; count <= 10; count++) {
      clock.advance(100);
      await tried(count);
    }
    clock.advance(100);
    await refusal(patient, 'DKV_STORE_LOCKED');

    const lucky = start();
    await tried(11);
    await child.kill();
    clock.advance(100);
    await (await lucky).close();
  });

  it('goes to one of many that start at once, whoever they are', async () => {
    const starts = Array.from({ length: 8 }, (_, at) => open({}, { nodeId: `n${at % 2}` }));
    const outcomes = await Promise.allSettled(starts);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        expect((outcome.reason as DkvError).code).toMatch(/^DKV_STORE_(LOCKED|MISMATCH)$/);
      }
    }
  });

  it('keeps the identity of who was faster', async () => {
    await written();
    const identity = await identityFile();
    const own = { format: 3, engine: 'rocksdb', state: 'making', ...IDENTITY, nodeId: 'n2' } as const;
    expect(await createIdentity(dataDir, own)).toBe(false);
    expect(await identityFile()).toEqual(identity);
    expect((await readdir(dataDir)).sort()).toEqual(['classic-level', 'log', 'store-identity']);
  });

  it('is let go of when opening fails', async () => {
    await written();
    await rejected(open({}, { nodeId: 'n2' }));
    await open();
  });
});

describe('a crash while a folder is made', () => {
  const failing = (path: string) =>
    new DataFolder({
      path,
      engine: 'classic-level',
      openEngine: () => Promise.reject(new Error('killed')),
      clock: new ManualClock(),
    });

  it('between the identity and the store: the next start goes on from there', async () => {
    await rejected(failing(dataDir).open(IDENTITY));
    expect((await identityFile()).state).toBe('making');
    await written();
    expect((await identityFile()).state).toBe('made');
    expect((await (await open()).get(ID))?.version).toBe(RECORD.version);
  });

  it('between the store and the end of the identity: what is in the store stays', async () => {
    await written();
    await changeIdentity({ state: 'making' });
    expect((await (await open()).get(ID))?.version).toBe(RECORD.version);
    expect((await identityFile()).state).toBe('made');
  });

  it('leaves the folder to the node that began it', async () => {
    await rejected(failing(dataDir).open(IDENTITY));
    expect(await refusal(open({}, { nodeId: 'n2' }), 'DKV_STORE_MISMATCH')).toMatch(/"n1".*"n2"/);
  });
});

describe('a folder whose data is gone', () => {
  it.each(['rocksdb', 'classic-level'] as const)('is refused, not opened empty: %s', async (storage) => {
    await written({ storage });
    await rename(join(dataDir, storage), join(root, 'elsewhere'));
    expect(await refusal(open({ storage }), 'DKV_STORE_MISMATCH')).toMatch(
      /are gone.*dkv recover --data-dir/,
    );
    expect((await readdir(dataDir)).sort()).toEqual(['log', 'store-identity']);
    await rename(join(root, 'elsewhere'), join(dataDir, storage));
    expect((await (await open({ storage })).get(ID))?.version).toBe(RECORD.version);
  });
});

describe('the choice of the engine', () => {
  it('auto makes a RocksDB folder where it runs', async () => {
    const repo = await open({ storage: 'auto', probes: RUNS });
    expect(repo.metrics().engine).toBe('rocksdb');
  });

  it('auto makes a LevelDB folder where RocksDB does not run, and stays with it where it does', async () => {
    await written({ storage: 'auto', probes: NEITHER });
    expect(log.warnings).toHaveLength(1);
    const repo = await open({ storage: 'auto', probes: RUNS });
    expect(repo.metrics().engine).toBe('classic-level');
    expect((await repo.get(ID))?.version).toBe(RECORD.version);
    expect(log.warnings).toHaveLength(1);
  });

  it('auto refuses a RocksDB folder where RocksDB does not run, and makes nothing beside it', async () => {
    await written({ storage: 'rocksdb' });
    const opening = open({ storage: 'auto', probes: NEITHER });
    expect(await refusal(opening, 'DKV_STORE_MISMATCH')).toMatch(/written by rocksdb.*it aborts/);
    expect((await readdir(dataDir)).sort()).toEqual(['log', 'rocksdb', 'store-identity']);
  });

  it.each(['rocksdb', 'rocksdb-native'] as const)(
    '%s where it does not run makes nothing',
    async (storage) => {
      const error = await rejected(open({ storage, probes: NEITHER }));
      expect(error.code).toBe('DKV_ENGINE_UNAVAILABLE');
      expect(await readdir(dataDir)).toEqual([]);
    },
  );

  it('memory needs no folder', async () => {
    await open({ storage: 'memory' });
    expect(await readdir(root)).toEqual([]);
  });

  it('closes an engine whose folder cannot be finished', async () => {
    const engine = new MemoryStoreEngine();
    const openEngine = async () => {
      await rm(dataDir, { recursive: true });
      return engine;
    };
    await rejected(
      new DataFolder({ path: dataDir, engine: 'rocksdb', openEngine, clock: new ManualClock() }).open(
        IDENTITY,
      ),
    );
    await expect(engine.get(Uint8Array.of(1))).rejects.toThrow(/closed/);
  });
});

describe('to other users of the machine', () => {
  it('nothing of it is open, folders, notes and log alike', async () => {
    const umask = process.umask(0);
    try {
      await written();
      const repo = await open();
      expect((await readdir(dataDir, { recursive: true })).length).toBeGreaterThan(8);
      expect(await modes()).toEqual({ folders: ['700'], files: ['600'] });
      await repo.close();
    } finally {
      process.umask(umask);
    }
  });

  it('what an earlier release left open is closed where values are', async () => {
    await written();
    const folders = ['classic-level', 'log'].map((name) => join(dataDir, name));
    for (const folder of folders) {
      await chmod(folder, 0o755);
    }
    await (await open()).close();
    for (const folder of folders) {
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
    }
  });
});
