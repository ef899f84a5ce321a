/** Who is let in, of whole modules: keys that are changed as the cluster runs, and what a node warns of when it starts. */
import { Test, type TestingModule } from '@nestjs/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../testing/captured-log.js';
import { freePort } from '../testing/free-port.js';
import { StaticDiscovery } from './discovery/static-discovery.js';
import { Dkv } from './dkv.js';
import { DkvModule } from './dkv.module.js';
import { type DkvModuleOptions } from './dkv.options.js';

const POLL = { timeout: 60_000, interval: 20 };
const OLD = 'the-old-secret';
const NEW = 'the-new-secret';
const modules = new Map<string, TestingModule>();
let log: CapturedLog;

afterEach(async () => {
  await Promise.all([...modules.values()].map((module) => module.close()));
  modules.clear();
});

async function start(nodeId: string, options: DkvModuleOptions): Promise<void> {
  await modules.get(nodeId)?.close();
  log = new CapturedLog();
  const store = DkvModule.forRoot({
    nodeId,
    peerBind: '127.0.0.1',
    storage: 'memory',
    mode: 'eventual',
    partitions: 4,
    heartbeatIntervalMs: 20,
    maxClockOffsetMs: 100,
    electionTimeoutMs: 300,
    logger: log,
    ...options,
  });
  const module = await Test.createTestingModule({ imports: [store] }).compile();
  modules.set(nodeId, module);
  await module.init();
}

const seen = (nodeId: string) =>
  modules
    .get(nodeId)!
    .get(Dkv)
    .cluster()
    .map(({ state }) => state)
    .join(' ');

async function discoveryOf(...names: string[]): Promise<StaticDiscovery> {
  const ports = await Promise.all(names.map(freePort));
  return StaticDiscovery.parse(names.map((name, at) => `${name}=127.0.0.1:${ports[at]}`).join(','));
}

describe.each(['stream', 'http'] as const)('over %s, an api key', (transport) => {
  it('is changed one node at a time, in either order, and no two nodes ever refuse each other', async () => {
    const discovery = await discoveryOf('a', 'b');
    const options = { discovery, transport };
    await start('a', { ...options, apiKey: OLD });
    await start('b', { ...options, apiKey: OLD });
    const heal = async () => {
      await expect.poll(() => [seen('a'), seen('b')], POLL).toEqual(['up up', 'up up']);
      expect(log.warnings.filter((line) => line.includes('apiKey'))).toEqual([]);
    };
    await heal();
    const steps: [string, DkvModuleOptions['apiKey']][] = [
      ['a', [OLD, NEW]],
      ['b', [OLD, NEW]],
      ['b', [NEW, OLD]],
      ['a', [NEW, OLD]],
      ['a', NEW],
      ['b', NEW],
    ];
    for (const [nodeId, apiKey] of steps) {
      await start(nodeId, { ...options, apiKey });
      await heal();
    }
    // The old one opens nothing any more.
    await start('b', { ...options, apiKey: OLD });
    await expect.poll(() => log.warnings.some((line) => line.includes('apiKey')), POLL).toBe(true);
  });

  it('is not asked for where nodes are insecure', async () => {
    const discovery = await discoveryOf('a', 'b');
    await start('a', { discovery, transport, insecure: true });
    await start('b', { discovery, transport, insecure: true });
    await expect.poll(() => [seen('a'), seen('b')], POLL).toEqual(['up up', 'up up']);
    expect(log.warnings.join()).toContain('The peer port asks for no apiKey (option insecure)');
  });
});

describe('a node that listens on all interfaces', () => {
  it.each(['0.0.0.0', '::'])('and does not encrypt warns of it: %s', async (peerBind) => {
    const discovery = await discoveryOf('a');
    await start('a', { discovery, apiKey: OLD, peerBind });
    expect(log.warnings.filter((line) => line.includes('does not encrypt'))).toEqual([
      expect.stringContaining(`listens on all interfaces (peerBind ${peerBind})`),
    ]);
  });

  it('is the only one to', async () => {
    await start('a', { discovery: await discoveryOf('a'), apiKey: OLD });
    expect(log.warnings.join()).not.toContain('does not encrypt');
    await start('a', { peerBind: '0.0.0.0' });
    expect(log.warnings.join()).not.toContain('does not encrypt');
  });
});
