/** Every error code is provoked by a test that follows the remedy of docs/errors.md and ends well: here, or where the table says. */
import { Test, type TestingModule } from '@nestjs/testing';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Discovery,
  Dkv,
  DkvError,
  type DkvErrorCode,
  DkvModule,
  type DkvModuleOptions,
  getDkvToken,
  StaticDiscovery,
} from 'nestjs-dkv';
import { createTestCluster } from 'nestjs-dkv/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../libs/dkv/testing/free-port.js';
import { DKV_ERROR_STATUS } from '../libs/dkv/src/dkv.errors.js';
import { chooseEngine } from '../libs/dkv/src/storage/engines/engine-choice.js';
import { rejected } from '../libs/dkv/testing/caught.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = 'libs/dkv/src';
const API_KEY = 'secret-of-the-tests';
const silent = { log() {}, warn() {}, error() {} };

/** Where codes that need more than a node of this file are provoked and remedied: spec and title. */
const ELSEWHERE: Partial<Record<DkvErrorCode, readonly [spec: string, title: string]>> = {
  DKV_CLOCK_SKEW: [
    `${SRC}/cluster/envelope-guard.spec.ts`,
    'is refused with its next message when that is of another configuration, and let in again',
  ],
  DKV_CONFIGURATION_MISMATCH: [
    `${SRC}/cluster/envelope-guard.spec.ts`,
    'is refused with its next message when that is of another configuration, and let in again',
  ],
  DKV_FORWARDING_LOOP: [
    `${SRC}/dkv.remedies.spec.ts`,
    'the address %s for that of the holder, until it is corrected',
  ],
  DKV_QUORUM_NOT_REACHED: [
    `${SRC}/strong/incidents.spec.ts`,
    'refuse every write at once, wherever it is asked for; reads go on; and all is well once there is room',
  ],
  DKV_LOCK_LOST: [
    `${SRC}/client/locks.spec.ts`,
    'is told when someone released it by its token, and what it throws then is the cause',
  ],
  DKV_NOT_READY: [`${SRC}/strong/incidents.spec.ts`, 'refuses writes at once, naming it, until it has come'],
  DKV_OVERLOADED: [
    `${SRC}/transport/stream/stream-remote-kv-repo.spec.ts`,
    'turns requests away at once, and goes on when answers have come',
  ],
  DKV_PEER_UNREACHABLE: [
    `${SRC}/dkv.remedies.spec.ts`,
    'nothing is sent to a node that is not there, until it is started',
  ],
  DKV_PEER_DISCONNECTED: [
    `${SRC}/dkv.remedies.spec.ts`,
    'a read tells what became of the write, once the network is whole',
  ],
  DKV_PROTOCOL: [`${SRC}/dkv.remedies.spec.ts`, 'a version of another format, until every node runs it'],
  DKV_READ_ONLY: [
    `${SRC}/strong/full-disk.spec.ts`,
    'puts are refused, removes and checkpoints go on, and all by itself once there is room',
  ],
  DKV_STORAGE_FAILED: [
    `${SRC}/storage/log/log-failures.spec.ts`,
    'is final when the error does not pass, until the node is started again',
  ],
  DKV_LOG_DAMAGED: [
    `${SRC}/cli/recover/recover-folders.spec.ts`,
    'is cut after it was shown and agreed to; the node comes back as a new voter with all that the others have',
  ],
  DKV_STORE_MISMATCH: [
    `${SRC}/cli/convert/convert-folders.spec.ts`,
    'with all its keys and versions, as the refusal to start it advised',
  ],
};

type Namespaces = Parameters<typeof DkvModule.forFeature>[0];

const here: DkvErrorCode[] = [];
const modules: TestingModule[] = [];
const folders: string[] = [];

function remedy(code: DkvErrorCode, what: string, test: () => Promise<void>): void {
  here.push(code);
  it(`${code}: ${what}`, test);
}

afterEach(async () => {
  await Promise.all(modules.splice(0).map((module) => module.close()));
  folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});

async function boot(options: DkvModuleOptions = {}, features: Namespaces = []): Promise<TestingModule> {
  const root = DkvModule.forRoot({ storage: 'memory', logger: silent, ...options });
  const imports = features.length > 0 ? [root, DkvModule.forFeature(features)] : [root];
  const module = await Test.createTestingModule({ imports }).compile();
  await module.init();
  modules.push(module);
  return module;
}

const client = async <V = string>(options?: DkvModuleOptions): Promise<Dkv<V>> =>
  (await boot(options)).get<Dkv<V>>(Dkv);

const codeOf = async (work: Promise<unknown>): Promise<string> => (await rejected(work)).code;

/** A node with a port for peers and scripts. */
function listening(port: number, features: Namespaces = []): Promise<TestingModule> {
  const discovery = StaticDiscovery.parse(`a=127.0.0.1:${port}`);
  return boot({ nodeId: 'a', apiKey: API_KEY, peerBind: '127.0.0.1', discovery }, features);
}

async function ask(port: number, path: string, apiKey = API_KEY): Promise<string | undefined> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'X-Api-Key': apiKey } });
  return ((await answer.json()) as { code?: string }).code;
}

describe('what is provoked and remedied', () => {
  remedy('DKV_INVALID_ARGUMENT', 'the call, corrected', async () => {
    const dkv = await client();
    expect(await codeOf(dkv.addOrUpdate('k', 'v', { ttlMs: -1 }))).toBe('DKV_INVALID_ARGUMENT');
    await dkv.addOrUpdate('k', 'v', { ttlMs: 1_000 });
  });

  remedy('DKV_INVALID_KEY', 'a key of 1 to 1024 bytes', async () => {
    const dkv = await client();
    expect(await codeOf(dkv.addOrUpdate('', 'v'))).toBe('DKV_INVALID_KEY');
    expect(await codeOf(dkv.addOrUpdate('k'.repeat(1_025), 'v'))).toBe('DKV_INVALID_KEY');
    await dkv.addOrUpdate('k'.repeat(1_024), 'v');
  });

  remedy('DKV_VALUE_TOO_LARGE', 'a smaller value', async () => {
    const dkv = await client({ valueBytesMax: 1_000 });
    expect(await codeOf(dkv.addOrUpdate('k', 'v'.repeat(1_001)))).toBe('DKV_VALUE_TOO_LARGE');
    await dkv.addOrUpdate('k', 'v'.repeat(900));
  });

  remedy('DKV_CODEC_FAILED', 'a value that the codec knows', async () => {
    const dkv = await client<unknown>();
    expect(await codeOf(dkv.addOrUpdate('k', Symbol('none')))).toBe('DKV_CODEC_FAILED');
    await dkv.addOrUpdate('k', { some: 1 });
  });

  remedy('DKV_UNSUPPORTED', 'a strong namespace', async () => {
    const module = await boot({ mode: 'eventual' }, [{ name: 'strong', mode: 'strong' }]);
    expect(await codeOf(module.get<Dkv<number>>(Dkv).increment('k'))).toBe('DKV_UNSUPPORTED');
    expect(await module.get<Dkv<number>>(getDkvToken('strong')).increment('k')).toBe(1);
  });

  remedy('DKV_FORBIDDEN', 'the api key of the nodes', async () => {
    const port = await freePort();
    await listening(port);
    expect(await ask(port, '/kv/k', 'another-secret')).toBe('DKV_FORBIDDEN');
    expect(await ask(port, '/kv/k')).toBe('DKV_KEY_NOT_FOUND');
  });

  remedy('DKV_UNKNOWN_NAMESPACE', 'a declaration on the node', async () => {
    const ports = [await freePort(), await freePort()] as const;
    await listening(ports[0]);
    expect(await ask(ports[0], '/kv/k?namespace=sessions')).toBe('DKV_UNKNOWN_NAMESPACE');
    await listening(ports[1], [{ name: 'sessions' }]);
    expect(await ask(ports[1], '/kv/k?namespace=sessions')).toBe('DKV_KEY_NOT_FOUND');
  });

  remedy('DKV_KEY_NOT_FOUND', 'get', async () => {
    const dkv = await client();
    expect(await codeOf(dkv.getOrThrow('k'))).toBe('DKV_KEY_NOT_FOUND');
    expect(await dkv.get('k')).toBeUndefined();
  });

  remedy('DKV_CONFLICT', 'what is there instead, and update', async () => {
    const dkv = await client<number>();
    const { version } = await dkv.addOrUpdate('k', 1);
    await dkv.addOrUpdate('k', 2);
    const conflict = await rejected(dkv.compareAndSet('k', version, 3));
    expect(conflict).toMatchObject({ code: 'DKV_CONFLICT', current: { value: 2 } });
    expect(await dkv.update('k', (value) => (value ?? 0) + 1)).toMatchObject({ value: 3 });
  });

  remedy('DKV_NOT_APPLIED', 'another attempt, with more time', async () => {
    const dkv = await client<number>();
    let answer!: (price: number) => void;
    const asked = new Promise<number>((resolve) => (answer = resolve));
    const change = async (value: number | undefined) => (value ?? 0) + (await asked);
    expect(await codeOf(dkv.update('k', change, { timeoutMs: 200 }))).toBe('DKV_NOT_APPLIED');
    answer(100);
    expect(await dkv.update('k', change)).toMatchObject({ value: 100 });
  });

  remedy(
    'DKV_INDETERMINATE',
    'a linearizable read, and the same under the same idempotency key',
    async () => {
      const dkv = await client();
      const aborting = new AbortController();
      const options = { idempotencyKey: 'request 1' };
      const written = dkv.addOrUpdate('k', 'v', { ...options, signal: aborting.signal });
      aborting.abort();
      expect(await codeOf(written)).toBe('DKV_INDETERMINATE');
      await dkv.addOrUpdate('k', 'v', options);
      expect(await dkv.get('k', { consistency: 'linearizable' })).toMatchObject({ value: 'v' });
    },
  );

  remedy('DKV_TIMEOUT', 'another attempt, once the slow nodes answer', async () => {
    const cluster = createTestCluster(3, { mode: 'strong', partitions: 4 });
    await cluster.start();
    await cluster.advance(2_000);
    const key = cluster.keyWhere(([holder]) => holder === 'a');
    cluster.partition(['a'], ['b', 'c']);
    const read = { level: 'linearizable', timeoutMs: 300 } as const;
    expect(await codeOf(cluster.get('a', key, read))).toBe('DKV_TIMEOUT');
    cluster.heal();
    await cluster.advance(3_000);
    expect(await cluster.get('a', key, read)).toBeUndefined();
  });

  remedy('DKV_ABORTED', 'nothing: the caller wanted it', async () => {
    const dkv = await client();
    expect(await codeOf(dkv.addOrUpdate('k', 'v', { signal: AbortSignal.abort() }))).toBe('DKV_ABORTED');
    expect(await dkv.get('k')).toBeUndefined();
  });

  remedy(
    'DKV_CORRUPT_RECORD',
    'waiting: a strong partition is fetched again from the other copies',
    async () => {
      const storage = { cacheBytesMax: 1_000_000 };
      const cluster = createTestCluster(3, { mode: 'strong', partitions: 4, storage });
      await cluster.start();
      await cluster.advance(2_000);
      await cluster.put('a', 'k', 'to be damaged');
      await cluster.stop('a');
      const { disk } = cluster.node('a');
      const { content, identity } = disk.copy();
      for (const bytes of content.values()) {
        const at = Buffer.from(bytes).indexOf('to be damaged');
        bytes.fill('x'.charCodeAt(0), Math.max(at, 0), at < 0 ? 0 : at + 1);
      }
      disk.putBack({ content, identity });
      await cluster.start('a');
      await cluster.advance(1_000);
      expect(await codeOf(cluster.get('a', 'k'))).toBe('DKV_CORRUPT_RECORD');
      await cluster.advance(5_000);
      expect(await cluster.get('a', 'k')).toBe('to be damaged');
    },
  );

  remedy('DKV_STORE_LOCKED', 'the other one stopped', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'dkv-errors-'));
    folders.push(dataDir);
    const options = { dataDir, storage: 'classic-level' } as const;
    const first = await boot(options);
    expect(await codeOf(boot(options))).toBe('DKV_STORE_LOCKED');
    await first.close();
    await (await client(options)).addOrUpdate('k', 'v');
  });

  remedy('DKV_ENGINE_UNAVAILABLE', "storage: 'auto'", async () => {
    const not = async () => 'not here';
    const probes = { rocksdb: not, 'rocksdb-native': not };
    const question = { written: undefined, path: '/nowhere', probes, logger: silent };
    expect(await codeOf(chooseEngine({ ...question, asked: 'rocksdb' }))).toBe('DKV_ENGINE_UNAVAILABLE');
    expect(await chooseEngine({ ...question, asked: 'auto' })).toBe('classic-level');
  });

  remedy('DKV_INVALID_OPTIONS', 'a value that is allowed', async () => {
    const refused = await rejected(boot({ replicas: -1 }));
    expect(refused).toMatchObject({
      code: 'DKV_INVALID_OPTIONS',
      message: expect.stringContaining('replicas') as string,
    });
    await boot({ replicas: 0 });
  });

  remedy('DKV_PORT_IN_USE', 'another port', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    expect(await codeOf(listening(port))).toBe('DKV_PORT_IN_USE');
    await listening(await freePort());
    await new Promise((resolve) => other.close(resolve));
  });

  remedy('DKV_DISCOVERY_FAILED', 'a discovery service that answers', async () => {
    const port = await freePort();
    const known = StaticDiscovery.parse(`a=127.0.0.1:${port}`);
    let answers = false;
    const discovery: Discovery = {
      fixedSize: 1,
      getNodes: async () => {
        if (!answers) {
          throw new DkvError('DKV_DISCOVERY_FAILED', 'The discovery service does not answer.');
        }
        return known.getNodes();
      },
      register: (node) => known.register(node),
      deregister: () => known.deregister(),
    };
    const options = { nodeId: 'a', apiKey: API_KEY, peerBind: '127.0.0.1', discovery };
    expect(await codeOf(boot(options))).toBe('DKV_DISCOVERY_FAILED');
    answers = true;
    await (await client(options)).addOrUpdate('k', 'v');
  });
});

describe('the codes', () => {
  it('are all provoked, each at one place', () => {
    const elsewhere = Object.keys(ELSEWHERE);
    expect([...here, ...elsewhere].sort()).toEqual(Object.keys(DKV_ERROR_STATUS).sort());
  });

  it.each(Object.entries(ELSEWHERE))('%s: its test is there', (code, [spec, title]) => {
    expect(existsSync(join(ROOT, spec))).toBe(true);
    const text = readFileSync(join(ROOT, spec), 'utf8');
    expect(text).toContain(title);
    expect(text).toContain(code);
  });
});
