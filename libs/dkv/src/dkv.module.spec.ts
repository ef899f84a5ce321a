/** The module in a Nest application: boots, injects, overrides, refuses what is wrong, leaves in order. */
import { Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { type Registry } from 'prom-client';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../testing/captured-log.js';
import { freePort } from '../testing/free-port.js';
import { rejected } from '../testing/caught.js';
import { MovableWallClock } from '../testing/movable-wall-clock.js';
import { JsonCodec } from './codec/json-codec.js';
import { StaticDiscovery } from './discovery/static-discovery.js';
import { Dkv } from './dkv.js';
import { DkvModule } from './dkv.module.js';
import { type DkvModuleOptions, type DkvOptions } from './dkv.options.js';
import { DKV_OPTIONS, DkvRegistry } from './dkv.tokens.js';
import { DkvHealthIndicator } from './health/dkv-health-indicator.js';
import { DkvError } from './dkv.errors.js';
import { DkvHealthModule } from './health/dkv-health.module.js';
import { InjectDkv } from './inject-dkv.js';
import { LocalKvRepo } from './ports/local-kv-repo.js';
import { Merger } from './ports/merger.js';
import { SystemClock } from './system/system-clock.js';

const folders: string[] = [];
const modules: TestingModule[] = [];
const servers: Server[] = [];
const silent = { log() {}, warn() {}, error() {} };

afterEach(async () => {
  for (const module of modules.splice(0)) {
    await module.close();
  }
  for (const server of servers.splice(0)) {
    server.close();
  }
  for (const folder of folders.splice(0)) {
    rmSync(folder, { recursive: true, force: true });
  }
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dkv-module-'));
  folders.push(folder);
  return folder;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
}

async function boot(...imports: NonNullable<Parameters<typeof Test.createTestingModule>[0]['imports']>) {
  const module = await Test.createTestingModule({ imports }).compile();
  modules.push(module);
  await module.init();
  return module;
}

const alone = (options: DkvModuleOptions = {}) =>
  DkvModule.forRoot({ storage: 'memory', logger: silent, ...options });

async function member(nodeId: string, nodes: string, port: number, options: DkvModuleOptions = {}) {
  const discovery = StaticDiscovery.parse(nodes);
  const apiKey = 'secret-of-the-tests';
  return boot(
    alone({ nodeId, discovery, peerPort: port, peerBind: '127.0.0.1', apiKey, ...options }),
    DkvHealthModule,
  );
}

describe('an embedded node', () => {
  it('needs no options', () => {
    expect(DkvModule.forRoot()).toMatchObject({ module: DkvModule, global: true });
  });

  it('stores and reads with no options but where', async () => {
    const module = await boot(DkvModule.forRoot({ dataDir: newFolder(), logger: silent }));
    const dkv = module.get<Dkv<{ x: number }>>(Dkv);
    const stored = await dkv.addOrUpdate('a', { x: 1 });
    expect(await dkv.get('a')).toEqual(stored);
    expect(await dkv.remove('a')).toBe(true);
    expect(await dkv.get('a')).toBeUndefined();
  });

  it('finds its data again after a restart', async () => {
    const dataDir = newFolder();
    const first = await boot(DkvModule.forRoot({ dataDir, logger: silent }));
    const stored = await first.get(Dkv).addOrUpdate('a', 'kept');
    await first.close();
    const second = await boot(DkvModule.forRoot({ dataDir, logger: silent }));
    expect(await second.get(Dkv).get('a')).toEqual(stored);
  });

  it('has a name of its own, which its folder keeps, whatever its machine is called', async () => {
    const dataDir = newFolder();
    const nameOf = async (options: DkvModuleOptions) => {
      const module = await boot(DkvModule.forRoot({ dataDir, logger: silent, ...options }));
      const { nodeId } = module.get<DkvOptions>(DKV_OPTIONS);
      expect(module.get(Dkv).cluster()).toMatchObject([{ nodeId }]);
      await module.close();
      return nodeId;
    };
    const given = await nameOf({ hostname: 'first' });
    expect(given).toMatch(/^node-[0-9a-f]{8}$/);
    expect(await nameOf({ hostname: 'renamed' })).toBe(given);
    expect(await nameOf({ dataDir: newFolder() })).not.toBe(given);
    expect(await nameOf({ storage: 'memory' })).not.toBe(given);
  });

  it('that was given a name goes on under it without', async () => {
    const dataDir = newFolder();
    const first = await boot(DkvModule.forRoot({ dataDir, nodeId: 'named', logger: silent }));
    const stored = await first.get(Dkv).addOrUpdate('a', 'kept');
    await first.close();
    const second = await boot(DkvModule.forRoot({ dataDir, logger: silent }));
    expect(second.get<DkvOptions>(DKV_OPTIONS).nodeId).toBe('named');
    expect(await second.get(Dkv).get('a')).toEqual(stored);
    await second.close();
    const error = await rejected(boot(DkvModule.forRoot({ dataDir, nodeId: 'other', logger: silent })));
    expect(error.code).toBe('DKV_STORE_MISMATCH');
    expect(error.message).toMatch(/nodeId "named".*set nodeId to "named"/);
  });

  it('serves a service that is only being initialised', async () => {
    @Injectable()
    class Warm implements OnModuleInit {
      seen: unknown;
      constructor(@InjectDkv() private readonly dkv: Dkv) {}
      async onModuleInit(): Promise<void> {
        await this.dkv.addOrUpdate('warm', 1);
        this.seen = (await this.dkv.get('warm'))?.value;
      }
    }
    @Module({ providers: [Warm] })
    class Feature {}
    const module = await boot(Feature, alone());
    expect(module.get(Warm, { strict: false }).seen).toBe(1);
  });

  it('takes its options from a factory', async () => {
    const useFactory = () => ({ storage: 'memory', nodeId: 'made', logger: silent }) as const;
    const module = await boot(DkvModule.forRootAsync({ useFactory }));
    expect(module.get<DkvOptions>(DKV_OPTIONS)).toMatchObject({ nodeId: 'made', replicas: 2 });
  });

  it('uses a provider of its user in place of its own', async () => {
    const merger: Merger<number[]> = {
      merge: (current, incoming) => [...new Set([...current.value, ...incoming.value])].sort(),
    };
    const overrides = [{ provide: Merger, useValue: merger }];
    const module = await boot(
      DkvModule.forRoot({
        storage: 'memory',
        mode: 'eventual',
        codec: new JsonCodec(),
        logger: silent,
        overrides,
      }),
    );
    const dkv = module.get<Dkv<number[]>>(Dkv);
    await dkv.addOrUpdate('set', [2]);
    expect((await dkv.addOrUpdate('set', [1])).value).toEqual([1, 2]);
  });

  it('counts what it does, without keys in the labels', async () => {
    const module = await boot(alone());
    await module.get(Dkv).addOrUpdate('very-secret-key', 1);
    const text = await module.get<Registry>(DkvRegistry).metrics();
    expect(text).toContain('dkv_operations_total{namespace="default",op="addOrUpdate",result="ok"} 1');
    expect(text).toContain('dkv_keys{namespace="default"} 1\n');
    expect(text).toContain(`dkv_data_bytes{namespace="default"} ${'very-secret-key'.length + 1}\n`);
    expect(text).not.toContain('very-secret-key');
  });

  it('forgets a value when its time is over', async () => {
    const clock = new MovableWallClock();
    const dkv = (await boot(alone({ clock }))).get(Dkv);
    await dkv.addOrUpdate('short', 1, { ttlMs: 1_000 });
    clock.nowMs += 999;
    expect(await dkv.get('short')).toMatchObject({ value: 1 });
    clock.nowMs += 1;
    expect(await dkv.get('short')).toBeUndefined();
    expect(await dkv.remove('short')).toBe(false);
  });

  it.each(['strong', 'eventual'] as const)(
    'goes on writing after its clock was set back: %s',
    async (mode) => {
      const clock = new MovableWallClock();
      const dkv = (await boot(alone({ clock, mode }))).get(Dkv);
      const before = await dkv.addOrUpdate('a', 1);
      clock.nowMs -= 3_600_000;
      await dkv.addOrUpdate('new', 2);
      expect(await dkv.get('new')).toMatchObject({ value: 2 });
      const after = await dkv.addOrUpdate('a', 3);
      expect(after.version > before.version).toBe(true);
    },
  );
});

describe('a node whose discovery is down', () => {
  /** Tells and takes nothing until it is mended. */
  class BrokenDiscovery extends StaticDiscovery {
    isBroken = true;
    readonly asked: string[] = [];

    override async getNodes() {
      this.fail('getNodes');
      return super.getNodes();
    }

    override async register(...given: Parameters<StaticDiscovery['register']>) {
      this.fail('register');
      return super.register(...given);
    }

    private fail(asked: string): void {
      this.asked.push(asked);
      if (this.isBroken) {
        throw new DkvError('DKV_DISCOVERY_FAILED', 'The resolver timed out.');
      }
    }
  }

  /** Keeps the attempt to announce the node again, which is planned right after one has failed. */
  class HeldClock extends SystemClock {
    readonly held: (() => void)[] = [];

    constructor(private readonly discovery: BrokenDiscovery) {
      super();
    }

    override schedule(delayMs: number, task: () => void) {
      if (delayMs !== 5_000 || this.discovery.asked.at(-1) !== 'register' || this.held.length > 0) {
        return super.schedule(delayMs, task);
      }
      this.held.push(task);
      return { cancel: () => undefined };
    }
  }

  it('starts from its folder once its cluster is born, and is announced when discovery is back', async () => {
    const [dataDir, port] = [newFolder(), await freePort()];
    const discovery = new BrokenDiscovery([{ nodeId: 'a', host: '127.0.0.1', port }]);
    const clock = new HeldClock(discovery);
    const logger = new CapturedLog();
    const start = () =>
      boot(
        DkvModule.forRoot({
          storage: 'classic-level',
          nodeId: 'a',
          peerBind: '127.0.0.1',
          apiKey: 'secret-of-the-tests',
          dataDir,
          discovery,
          clock,
          logger,
        }),
      );
    expect(await rejected(start())).toMatchObject({ code: 'DKV_DISCOVERY_FAILED' });

    discovery.isBroken = false;
    const first = await start();
    const stored = await first.get(Dkv).addOrUpdate('k', 'kept');
    await first.close();

    discovery.isBroken = true;
    clock.held.length = 0;
    const second = await start();
    expect(await second.get(Dkv).get('k')).toEqual(stored);
    expect(logger.warnings).toEqual([
      expect.stringContaining(
        `The resolver timed out. The node starts with the addresses that it noted last: a at 127.0.0.1:${port}.`,
      ),
      expect.stringContaining('is not announced yet, which is tried again: The resolver timed out.'),
    ]);
    for (const [isBroken, left] of [
      [true, 1],
      [false, 0],
    ] as const) {
      discovery.isBroken = isBroken;
      discovery.asked.length = 0;
      clock.held.shift()!();
      await new Promise(setImmediate);
      expect(discovery.asked).toEqual(['register']);
      expect(clock.held).toHaveLength(left);
    }
    expect(logger.warnings).toHaveLength(2);
  });
});

describe('a boot fails, naming the remedy, with', () => {
  it('a wrong option', async () => {
    const error = await rejected(boot(DkvModule.forRoot({ replicas: 99 })));
    expect(error).toMatchObject({ code: 'DKV_INVALID_OPTIONS' });
    expect(error.message).toMatch(/replicas is 99: give a whole number of copies from 0 to 15/);
  });

  it('a folder that another module of the same process uses', async () => {
    const dataDir = newFolder();
    await boot(DkvModule.forRoot({ dataDir, nodeId: 'n', logger: silent }));
    const error = await rejected(boot(DkvModule.forRoot({ dataDir, nodeId: 'n', logger: silent })));
    expect(error).toMatchObject({ code: 'DKV_STORE_LOCKED' });
    expect(error.message).toContain(dataDir);
  });

  it('a folder that was written with other partitions, and leaves it free again', async () => {
    const dataDir = newFolder();
    const options = { dataDir, storage: 'classic-level' } as const;
    const port = await freePort();
    const nodes = `a=127.0.0.1:${port}`;
    const first = await member('a', nodes, port, options);
    await first.close();
    const error = await rejected(member('a', nodes, port, { ...options, partitions: 8 }));
    expect(error).toMatchObject({ code: 'DKV_STORE_MISMATCH' });
    await member('a', nodes, port, options);
  });

  it('a node id that discovery does not know', async () => {
    const port = await freePort();
    const error = await rejected(member('c', `a=127.0.0.1:${port}`, port));
    expect(error).toMatchObject({ code: 'DKV_INVALID_OPTIONS' });
    expect(error.message).toContain('nodeId is "c"');
  });

  it('a peer port that is taken', async () => {
    const server = createServer();
    servers.push(server);
    const port = await listen(server);
    const error = await rejected(member('a', `a=127.0.0.1:${port}`, port));
    expect(error).toMatchObject({ code: 'DKV_PORT_IN_USE' });
    expect(error.message).toContain(String(port));
  });
});

describe('two nodes', () => {
  async function pair() {
    const [one, two] = [await freePort(), await freePort()];
    const nodes = `a=127.0.0.1:${one},b=127.0.0.1:${two}`;
    return Promise.all([member('a', nodes, one), member('b', nodes, two)]);
  }

  it('read what the other wrote, and see each other leave', async () => {
    const [a, b] = await pair();
    await a.get(Dkv).addOrUpdate('k', 'v');
    expect(await b.get(Dkv).get('k', { consistency: 'linearizable' })).toMatchObject({ value: 'v' });
    await b.close();
    const error = await rejected(a.get(Dkv).addOrUpdate('k', 'w', { timeoutMs: 500 }));
    expect(['DKV_QUORUM_NOT_REACHED', 'DKV_INDETERMINATE']).toContain((error as { code?: string }).code);
    expect(await a.get(Dkv).get('k')).toBeDefined();
  });

  it('are healthy together, degraded alone, unready when they leave', async () => {
    const [a, b] = await pair();
    const health = a.get(DkvHealthIndicator);
    await expect.poll(() => health.isReady().dkv.status, { timeout: 20_000 }).toBe('up');
    await b.close();
    await expect.poll(() => health.isReady().dkv.status, { timeout: 20_000 }).toBe('degraded');
    expect(health.isLive().dkv.status).toBe('up');
    modules.splice(modules.indexOf(a), 1);
    await a.close();
    expect(health.isReady().dkv.status).toBe('down');
  });
});

it('closes the store when the application closes', async () => {
  const module = await boot(alone());
  const local = module.get<LocalKvRepo>(LocalKvRepo, { strict: false });
  await module.close();
  expect(await rejected(local.get({ partition: 0, namespace: 'default', key: 'k' }))).toMatchObject({
    code: 'DKV_NOT_READY',
  });
});
