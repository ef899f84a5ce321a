/** `peek` on the real core, in both modes: what is in memory here, what is known to be absent, and what memory does not tell. */
import { Test } from '@nestjs/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../testing/captured-log.js';
import { caught, rejected } from '../testing/caught.js';
import { createTestCluster, type TestCluster } from '../testing/simulation/sim-cluster.js';
import { SimRandom } from '../testing/simulation/sim-random.js';
import { type ClientSettings } from './client/client-core.js';
import { Locks } from './client/locks.js';
import { JsonCodec } from './codec/json-codec.js';
import { Dkv } from './dkv.js';
import { DkvModule } from './dkv.module.js';
import { type NamespaceMode } from './model/consistency.js';

const TIMES = { readTimeoutMs: 5_000, revertTimeoutMs: 10_000 };
const SETTINGS: ClientSettings = {
  namespace: 'default',
  mode: 'strong',
  placement: 0,
  readConsistency: 'one',
  writeConsistency: 'quorum',
  valueBytesMax: 1_000,
  ttlMs: 0,
  ...TIMES,
};
const MODES: readonly NamespaceMode[] = ['strong', 'eventual'];

type Value = number | string;

function clientAt(cluster: TestCluster, nodeId: string, settings: Partial<ClientSettings>): Dkv<Value> {
  const { processor, view, transitions, storage, clock } = cluster.node(nodeId);
  const random = new SimRandom('client');
  const locks = new Locks({ processor, clock, random }, TIMES);
  const core = { processor, view, transitions, storage, clock, random, locks };
  return new Dkv<Value>(core, { ...SETTINGS, ...settings }, new JsonCodec());
}

describe.each(MODES)('a peek in a namespace that is %s', (mode) => {
  let cluster: TestCluster;
  /** A key that a, b and c hold, and d does not. */
  let key: string;

  beforeEach(async () => {
    cluster = createTestCluster(4, { mode, storage: { cacheBytesMax: 1_000_000 } });
    await cluster.start();
    // Until the preferred nodes lead.
    await cluster.advance(2_000);
    key = cluster.keyWhere((list) => list[0] === 'a' && !list.includes('d'));
  });

  const clientOf = (nodeId: string, settings?: Partial<ClientSettings>) =>
    clientAt(cluster, nodeId, { mode, ...settings });
  const write = (nodeId: string, value: Value, options?: { ttlMs: number }) =>
    cluster.settle(clientOf(nodeId).addOrUpdate(key, value, options));
  const read = (nodeId: string) => cluster.settle(clientOf(nodeId).get(key));

  it('gives the pair that this node has just written, as written', async () => {
    const pair = await write('a', 1);
    expect(clientOf('a').peek(key)).toEqual(pair);
    const next = await write('a', 2);
    expect(clientOf('a').peek(key)).toEqual(next);
  });

  it('gives what another node wrote, once it has come here, at whichever level the namespace reads', async () => {
    const pair = await write('a', 1);
    await cluster.advance(1_000);
    expect(clientOf('b').peek(key)).toEqual(pair);
    expect(clientOf('b', { readConsistency: 'quorum' }).peek(key)).toEqual(pair);
  });

  it('of a copy that trails gives what the copy has', async () => {
    const old = await write('a', 1);
    await cluster.advance(1_000);
    cluster.partition(['a', 'b', 'd'], ['c']);
    const { value } = await write('a', 2);
    expect([clientOf('a').peek(key)?.value, value]).toEqual([2, 2]);
    expect(clientOf('c').peek(key)).toEqual(old);
  });

  it('never gives less than this node wrote through another one: undefined until the copy here has it', async () => {
    // In a strong namespace the answer of the leader overtakes what it sends to the copy. In an eventual one the writer
    // stores what it wrote before its caller learns of it.
    cluster.network.setFaults({ delay: { minMs: 1, meanMs: 20, maxMs: 200 } });
    let timesBehind = 0;
    for (let value = 0; value < 20; value++) {
      const { version } = await write('b', value);
      const pair = clientOf('b').peek(key);
      expect([undefined, version]).toContain(pair?.version);
      timesBehind += pair ? 0 : 1;
    }
    expect(timesBehind > 0).toBe(mode === 'strong');
    await cluster.advance(1_000);
    expect(clientOf('b').peek(key)?.value).toBe(19);
  });

  it('gives null for a key that is known to have no value: deleted, or looked for in vain', async () => {
    await write('a', 1);
    await cluster.settle(clientOf('a').remove(key));
    expect(clientOf('a').peek(key)).toBeNull();
    const other = cluster.keyWhere((list) => list[0] === 'a' && cluster.listOf(key) !== list);
    expect(clientOf('a').peek(other)).toBeUndefined();
    expect(await cluster.settle(clientOf('a').get(other))).toBeUndefined();
    expect(clientOf('a').peek(other)).toBeNull();
  });

  it('gives null from the expiry of a value on', async () => {
    const pair = await write('a', 1, { ttlMs: 1_000 });
    await cluster.advance(pair.modified + 999 - cluster.node('a').clock.now());
    expect(clientOf('a').peek(key)).toEqual(pair);
    await cluster.advance(1);
    expect(clientOf('a').peek(key)).toBeNull();
  });

  it('gives undefined for a key that this node does not hold, also when it wrote or read it', async () => {
    await write('d', 1);
    expect(clientOf('d').peek(key)).toBeUndefined();
    expect((await read('d'))?.value).toBe(1);
    expect(clientOf('d').peek(key)).toBeUndefined();
  });

  it('gives undefined for a copy that is on the disk only, and leaves it there until a get', async () => {
    const pair = await write('a', 1);
    await cluster.stop('a');
    await cluster.start('a');
    await cluster.advance(1_000);
    expect([clientOf('a').peek(key), clientOf('a').peek(key)]).toEqual([undefined, undefined]);
    await cluster.advance(1_000);
    expect(clientOf('a').peek(key)).toBeUndefined();
    expect(await read('a')).toEqual(pair);
    expect(clientOf('a').peek(key)).toEqual(pair);
  });

  it('gives undefined on a node that closes or has closed, whose get says so', async () => {
    await write('a', 1);
    const client = clientOf('a');
    const stopping = cluster.stop('a');
    expect(client.peek(key)).toBeUndefined();
    await stopping;
    expect(client.peek(key)).toBeUndefined();
    expect((await rejected(client.get(key))).code).toBe('DKV_NOT_READY');
    expect(caught(() => client.peek('')).code).toBe('DKV_INVALID_KEY');
  });

  it('counts as a get where it tells something, and else not at all', async () => {
    await write('a', 1);
    const { telemetry } = cluster.node('a');
    const gets = () => telemetry.events.filter((event) => event.startsWith('operation default get'));
    clientOf('a').peek(key);
    expect(gets()).toEqual(['operation default get ok']);
    const unknown = cluster.keyWhere((list) => !list.includes('a'));
    clientOf('a').peek(unknown);
    caught(() => clientOf('a').peek(''));
    expect(gets()).toEqual(['operation default get ok']);
  });
});

it.each(MODES)(
  'a peek gives undefined for a copy that is damaged, in a namespace that is %s',
  async (mode) => {
    const cluster = createTestCluster(1, { mode, replicas: 0, storage: { cacheBytesMax: 1_000_000 } });
    await cluster.start();
    await cluster.put('a', 'k', '"a value to be damaged"');
    await cluster.stop('a');
    const { disk } = cluster.node('a');
    const { content, identity } = disk.copy();
    const damaged = [...content].map(([name, bytes]): [typeof name, Uint8Array] => {
      const at = Buffer.from(bytes).indexOf('to be damaged');
      return [
        name,
        at < 0 ? bytes : Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte)),
      ];
    });
    disk.putBack({ content: new Map(damaged), identity });
    await cluster.start('a');
    await cluster.advance(1_000);
    const client = clientAt(cluster, 'a', { mode, placement: 0 });
    expect(client.peek('k')).toBeUndefined();
    expect((await cluster.settle(rejected(client.get('k')))).code).toBe('DKV_CORRUPT_RECORD');
    expect(client.peek('k')).toBeUndefined();
  },
);

it.each(MODES)(
  'a peek of an application gives undefined until it has started, in a namespace that is %s',
  async (mode) => {
    const root = DkvModule.forRoot({ storage: 'memory', logger: new CapturedLog(), mode });
    const module = await Test.createTestingModule({ imports: [root] }).compile();
    const dkv = module.get<Dkv<number>>(Dkv);
    expect(dkv.peek('k')).toBeUndefined();
    expect(caught(() => dkv.peek('')).code).toBe('DKV_INVALID_KEY');
    await module.init();
    const pair = await dkv.addOrUpdate('k', 1);
    expect(dkv.peek('k')).toEqual(pair);
    expect(() => dkv.peek(5 as never)).toThrow(TypeError);
    await module.close();
    expect(dkv.peek('k')).toBeUndefined();
  },
);
