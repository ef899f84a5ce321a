/** The client: what of a call reaches the core, what becomes of its answer, and which errors come from where. */
import { beforeEach, describe, expect, it } from 'vitest';
import { BytesCodec } from './codec/bytes-codec.js';
import { JsonCodec } from './codec/json-codec.js';
import { CapturedLog } from '../testing/captured-log.js';
import { PeerTransitions } from './cluster/peer-transitions.js';
import { ClusterView } from './cluster/cluster-view.js';
import { withNamespaces } from './cluster/configuration-changes.js';
import { type ClientCore, type ClientSettings, type StorageFigures } from './client/client-core.js';
import { Locks } from './client/locks.js';
import { type DkvManyError } from './client/many.js';
import { Dkv } from './dkv.js';
import { DkvError, type DkvErrorCode } from './dkv.errors.js';
import { type Codec } from './ports/codec.js';
import { type ReadOptions } from './processor/call-options.js';
import { type Processor } from './processor/processor.js';
import { caught, rejected } from '../testing/caught.js';
import { FakeProcessor, MODIFIED_MS, VERSION } from '../testing/fake-processor.js';
import { ManualClock } from '../testing/manual-clock.js';
import { SimRandom } from '../testing/simulation/sim-random.js';
import { testNodes } from '../testing/test-nodes.js';
import { testRing } from '../testing/test-ring.js';

const SETTINGS: ClientSettings = {
  namespace: 'default',
  mode: 'strong',
  placement: 0,
  readConsistency: 'one',
  writeConsistency: 'quorum',
  readTimeoutMs: 5_000,
  revertTimeoutMs: 10_000,
  valueBytesMax: 1_000,
  ttlMs: 0,
};

/** JSON that counts how often it worked. */
class CountingCodec<V = unknown> extends JsonCodec<V> {
  encoded = 0;
  decoded = 0;

  override encode(value: V): Uint8Array {
    this.encoded++;
    return super.encode(value);
  }

  override decode(bytes: Uint8Array): V {
    this.decoded++;
    return super.decode(bytes);
  }
}

const NODES = testNodes('a', 'b', 'c', 'd');
const storage: StorageFigures = {
  hintBytes: 7,
  metrics: () => ({
    usage: new Map([
      ['carts', { keys: 1, bytes: 30 }],
      ['users', { keys: 2, bytes: 40 }],
    ]),
    tombstones: 2,
    storageBytes: 3,
    engine: 'memory',
    logBytes: 4,
    dirtyBytes: 5,
    corruptRecords: 6,
    checkpointAgeMs: 13,
  }),
};

let processor: FakeProcessor;
let view: ClusterView;
let codec: CountingCodec;
let dkv: Dkv;

function clientWith<V>(values: Codec<V>, settings: Partial<ClientSettings> = {}): Dkv<V> {
  const ports = {
    processor: processor as unknown as Processor,
    clock: new ManualClock(),
    random: new SimRandom('client'),
  };
  const transitions = new PeerTransitions(view, ports.clock, new CapturedLog());
  const core: ClientCore = { ...ports, view, transitions, storage, locks: new Locks(ports, SETTINGS) };
  return new Dkv(core, { ...SETTINGS, ...settings }, values);
}

beforeEach(() => {
  processor = new FakeProcessor();
  view = ClusterView.of('a', testRing(NODES), NODES);
  codec = new CountingCodec();
  dkv = clientWith(codec);
});

/** Puts a value where the core holds it. */
function hold(key: string, value: unknown): void {
  processor.held.set(key, Buffer.from(JSON.stringify(value)));
}

describe('a read', () => {
  it('gives the pair as stored', async () => {
    hold('k', { a: 1 });
    const pair = { key: 'k', value: { a: 1 }, modified: MODIFIED_MS, version: VERSION };
    expect(await dkv.get('k')).toEqual(pair);
    expect(await dkv.getOrThrow('k')).toEqual(pair);
  });

  it('gives values that are nothing to JavaScript', async () => {
    for (const value of [null, 0, '', false]) {
      hold('k', value);
      expect((await dkv.getOrThrow('k')).value).toBe(value);
    }
  });

  it('of nothing is undefined, or an error with the key where that was asked for', async () => {
    expect(await dkv.get('k "1"')).toBeUndefined();
    const error = await rejected(dkv.getOrThrow('k "1"'));
    expect(error.code).toBe('DKV_KEY_NOT_FOUND');
    expect(error.message).toContain('"k \\"1\\""');
  });

  it('asks with the defaults, unless told otherwise', async () => {
    const { signal } = new AbortController();
    await dkv.get('k');
    await dkv.get('k', { consistency: 'quorum', timeoutMs: 0.5, signal });
    await rejected(dkv.getOrThrow('k', { consistency: 'linearizable' }));
    expect(processor.calls).toEqual([
      ['get', 'k', 'default', { level: 'one', timeoutMs: 5_000, signal: undefined }],
      ['get', 'k', 'default', { level: 'quorum', timeoutMs: 0.5, signal }],
      ['get', 'k', 'default', { level: 'linearizable', timeoutMs: 5_000, signal: undefined }],
    ]);
  });

  it('of bytes that are no value says so, with key and codec', async () => {
    processor.held.set('k', Buffer.from('{'));
    const error = await rejected(dkv.get('k'));
    expect(error.code).toBe('DKV_CODEC_FAILED');
    expect(error.message).toMatch(/"k" cannot be decoded as json/);
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });
});

describe('a peek', () => {
  const remember = (key: string, value: unknown) =>
    processor.inMemory.set(key, Buffer.from(JSON.stringify(value)));

  it('gives the pair that is in memory, decoded anew, and asks nobody', () => {
    remember('k', { a: 1 });
    const pair = { key: 'k', value: { a: 1 }, modified: MODIFIED_MS, version: VERSION };
    expect(dkv.peek('k')).toEqual(pair);
    expect(dkv.peek('k')!.value).not.toBe(dkv.peek('k')!.value);
    expect(clientWith(codec, { readConsistency: 'quorum' }).peek('k')).toEqual(pair);
    expect(processor.calls).toEqual([]);
  });

  it('gives a pair also of values that are nothing to JavaScript', () => {
    for (const value of [null, 0, '', false]) {
      remember('k', value);
      expect(dkv.peek('k')).toMatchObject({ key: 'k', value });
    }
  });

  it('tells a key without a value from one that memory says nothing of', () => {
    processor.inMemory.set('absent', null);
    hold('elsewhere', 1);
    expect([dkv.peek('absent'), dkv.peek('elsewhere')]).toEqual([null, undefined]);
    expect([codec.decoded, processor.calls]).toEqual([0, []]);
  });

  it('is completed by a get', async () => {
    remember('here', 1);
    hold('elsewhere', 2);
    processor.inMemory.set('absent', null);
    const valueOf = async (key: string) => (dkv.peek(key) ?? (await dkv.get(key)))?.value;
    expect([await valueOf('here'), await valueOf('elsewhere'), await valueOf('absent')]).toEqual([
      1,
      2,
      undefined,
    ]);
  });

  it('of bytes that are no value throws, with key and codec', () => {
    processor.inMemory.set('k', Buffer.from('{'));
    const error = caught(() => dkv.peek('k'));
    expect(error.code).toBe('DKV_CODEC_FAILED');
    expect(error.message).toMatch(/"k" cannot be decoded as json/);
    expect(error.cause).toBeInstanceOf(SyntaxError);
  });

  it.each(['', 'k'.repeat(1025), '\ud800'])(
    'throws DKV_INVALID_KEY as a get rejects with it',
    async (key) => {
      const error = caught(() => dkv.peek(key));
      expect(error.code).toBe('DKV_INVALID_KEY');
      expect(error).toEqual(await rejected(dkv.get(key)));
    },
  );

  it('of what is no string is misuse and no DkvError', () => {
    for (const key of [5, null, undefined]) {
      expect(() => dkv.peek(key as never)).toThrow(TypeError);
    }
  });
});

describe('a write', () => {
  it('encodes once, stores, and gives the pair as stored', async () => {
    const pair = await dkv.addOrUpdate('k', { a: 1 });
    expect(pair).toEqual({ key: 'k', value: { a: 1 }, modified: MODIFIED_MS, version: VERSION });
    expect(Buffer.from(processor.held.get('k')!).toString()).toBe('{"a":1}');
    expect(codec.encoded).toBe(1);
  });

  it('gives what a merger made of the value', async () => {
    processor.merge = () => Buffer.from('{"merged":true}');
    expect((await dkv.addOrUpdate('k', { a: 1 })).value).toEqual({ merged: true });
  });

  it('asks with the defaults, unless told otherwise', async () => {
    const { signal } = new AbortController();
    await dkv.addOrUpdate('k', 1);
    await dkv.addOrUpdate('k', 1, { consistency: 'all', timeoutMs: 70, ttlMs: 5, signal });
    await dkv.remove('k');
    await dkv.remove('k', { consistency: 'one', timeoutMs: 70, signal });
    expect(processor.calls).toEqual([
      ['addOrUpdate', 'k', 'default', { level: 'quorum', timeoutMs: 10_000, signal: undefined, ttlMs: 0 }],
      ['addOrUpdate', 'k', 'default', { level: 'all', timeoutMs: 70, signal, ttlMs: 5 }],
      ['remove', 'k', 'default', { level: 'quorum', timeoutMs: 10_000, signal: undefined, ttlMs: 0 }],
      ['remove', 'k', 'default', { level: 'one', timeoutMs: 70, signal, ttlMs: 0 }],
    ]);
  });

  it('of a delete tells whether there was a value', async () => {
    hold('k', 1);
    expect(await dkv.remove('k')).toBe(true);
    expect(await dkv.remove('k')).toBe(false);
  });

  it('takes a value as large as allowed and refuses a byte more, before anything is sent', async () => {
    const bytes = clientWith(new BytesCodec());
    await bytes.addOrUpdate('k', new Uint8Array(1_000));
    processor.calls.length = 0;
    const error = await rejected(bytes.addOrUpdate('large', new Uint8Array(1_001)));
    expect(error.code).toBe('DKV_VALUE_TOO_LARGE');
    expect(error.message).toMatch(/"large" has 1001 bytes.*1000/);
    expect(processor.calls).toEqual([]);
  });

  it('of what cannot be encoded says so, before anything is sent', async () => {
    const error = await rejected(dkv.addOrUpdate('k', 5n));
    expect(error.code).toBe('DKV_CODEC_FAILED');
    expect(error.message).toMatch(/"k" cannot be encoded as json/);
    expect(error.cause).toBeInstanceOf(TypeError);
    expect(processor.calls).toEqual([]);
  });

  it.each<DkvErrorCode>(['DKV_INDETERMINATE', 'DKV_QUORUM_NOT_REACHED'])(
    'hands on %s as it is',
    async (code) => {
      const failure = new DkvError(code, 'no');
      processor.failures.set('k', failure);
      expect(await rejected(dkv.addOrUpdate('k', 1))).toBe(failure);
      expect(await rejected(dkv.remove('k'))).toBe(failure);
    },
  );
});

describe('an argument outside its limits', () => {
  type Call = (options: object) => Promise<unknown>;
  const read: Call = (options) => dkv.get('k', options);
  const write: Call = (options) => dkv.addOrUpdate('k', 1, options);
  const remove: Call = (options) => dkv.remove('k', options);

  it.each<[string, object, Call[]]>([
    ['consistency', { consistency: 'all' }, [read]],
    ['consistency', { consistency: 'linearizable' }, [write, remove]],
    ['consistency', { consistency: '' }, [read, write, remove]],
    ['timeoutMs', { timeoutMs: 0 }, [read, write, remove]],
    ['timeoutMs', { timeoutMs: -1 }, [read, write, remove]],
    ['timeoutMs', { timeoutMs: Number.NaN }, [read, write, remove]],
    ['timeoutMs', { timeoutMs: 86_400_001 }, [read, write, remove]],
    ['ttlMs', { ttlMs: -1 }, [write]],
    ['ttlMs', { ttlMs: 1.5 }, [write]],
    ['ttlMs', { ttlMs: Number.NaN }, [write]],
    ['ttlMs', { ttlMs: Infinity }, [write]],
    ['ttlMs', { ttlMs: 11 * 365 * 86_400_000 }, [write]],
    ['idempotencyKey', { idempotencyKey: '' }, [write, remove]],
    ['idempotencyKey', { idempotencyKey: 'k'.repeat(257) }, [write, remove]],
  ])('is an error that names it, with the remedy: %s of %j', async (name, options, calls) => {
    for (const call of calls) {
      const error = await rejected(call(options));
      expect(error.code).toBe('DKV_INVALID_ARGUMENT');
      expect(error.message).toMatch(new RegExp(`^${name} is .*: give `));
    }
    expect(processor.calls).toEqual([]);
  });

  it.each(['', 'k'.repeat(1025), '\ud800'])('of a key is DKV_INVALID_KEY', async (key) => {
    for (const work of [dkv.get(key), dkv.getOrThrow(key), dkv.addOrUpdate(key, 1), dkv.remove(key)]) {
      expect((await rejected(work)).code).toBe('DKV_INVALID_KEY');
    }
  });
});

describe('an argument of a call on one strong key', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['expectedVersion', () => dkv.compareAndSet('k', 'newest', 1)],
    ['expectedVersion', () => dkv.compareAndSet('k', '', 1)],
    ['expectedVersion', () => dkv.compareAndRemove('k', 'newest')],
    ['by', () => clientWith(new JsonCodec<number>()).increment('k', 0.5)],
    ['by', () => clientWith(new JsonCodec<number>()).increment('k', 2 ** 53)],
    ['ttlMs', () => dkv.touch('k', -1)],
    ['ttlMs', () => dkv.lock('k', 0)],
    ['ttlMs', () => dkv.lock('k', 1.5)],
    ['ttlMs', () => dkv.renewLock('k', 'token', 0)],
    ['waitMs', () => dkv.lock('k', 1, { waitMs: -1 })],
    ['waitMs', () => dkv.lock('k', 1, { waitMs: Number.NaN })],
    ['timeoutMs', () => dkv.update('k', () => 1, { timeoutMs: 0 })],
    ['timeoutMs', () => dkv.lock('k', 1, { timeoutMs: 0 })],
  ])('is an error that names it, with the remedy: %s', async (name, call) => {
    const error = await rejected(call());
    expect(error.code).toBe('DKV_INVALID_ARGUMENT');
    expect(error.message).toMatch(new RegExp(`^${name} is .*: give `));
    expect(processor.calls).toEqual([]);
  });
});

describe('an eventual namespace refuses, at once and by name,', () => {
  it.each<[string, (eventual: Dkv<number>) => Promise<unknown>]>([
    ['compareAndSet', (eventual) => eventual.compareAndSet('k', null, 1)],
    ['compareAndRemove', (eventual) => eventual.compareAndRemove('k', VERSION)],
    ['update', (eventual) => eventual.update('k', () => 1)],
    ['increment', (eventual) => eventual.increment('k')],
    ['touch', (eventual) => eventual.touch('k', 5)],
    ['lock', (eventual) => eventual.lock('k', 5)],
    ['renewLock', (eventual) => eventual.renewLock('k', 't', 5)],
    ['releaseLock', (eventual) => eventual.releaseLock('k', 't')],
    ['idempotencyKey', (eventual) => eventual.addOrUpdate('k', 1, { idempotencyKey: 'once' })],
  ])('%s', async (what, call) => {
    const error = await rejected(call(clientWith(new JsonCodec<number>(), { mode: 'eventual' })));
    expect(error.code).toBe('DKV_UNSUPPORTED');
    expect(error.message).toContain(`does not offer ${what}`);
    expect(processor.calls).toEqual([]);
  });
});

describe('a namespace with a lifetime of its own', () => {
  it('gives it to writes that name none, and 0 is for ever', async () => {
    const short = clientWith(codec, { ttlMs: 70 });
    await short.addOrUpdate('k', 1);
    await short.addOrUpdate('k', 1, { ttlMs: 0 });
    await short.addOrUpdate('k', 1, { ttlMs: 5 });
    expect(processor.calls.map(([, , , options]) => (options as { ttlMs: number }).ttlMs)).toEqual([
      70, 0, 5,
    ]);
  });
});

describe('an argument of a wrong type is misuse and no DkvError:', () => {
  const wrong = <T>(value: unknown) => value as T;

  it.each<[string, () => Promise<unknown>]>([
    ['a number for a key', () => dkv.get(wrong(5))],
    ['nothing for a key', () => dkv.addOrUpdate(wrong(undefined), 1)],
    ['a text for timeoutMs', () => dkv.get('k', { timeoutMs: wrong('5') })],
    ['a text for timeoutMs of a write', () => dkv.remove('k', { timeoutMs: wrong('5') })],
    ['a text for ttlMs', () => dkv.addOrUpdate('k', 1, { ttlMs: wrong('5') })],
    ['a number for idempotencyKey', () => dkv.remove('k', { idempotencyKey: wrong(5) })],
    ['a number for the version expected', () => dkv.compareAndSet('k', wrong(5), 1)],
    ['nothing for the version expected', () => dkv.compareAndRemove('k', wrong(null))],
    ['a value for a change', () => dkv.update('k', wrong(5))],
    ['a text to count by', () => clientWith(new JsonCodec<number>()).increment('k', wrong('5'))],
    ['nothing for a lifetime', () => dkv.touch('k', wrong(undefined))],
    ['a text for the time of a lock', () => dkv.lock('k', wrong('5'))],
    ['nothing for the token of a lock', () => dkv.releaseLock('k', wrong(undefined))],
    ['a number for consistency', () => dkv.get('k', { consistency: wrong(5) })],
    ['a text for keys', () => dkv.getMany(wrong('abc'))],
    ['a Set for keys', () => dkv.getMany(wrong(new Set(['a'])))],
    ['nothing for keys', () => dkv.removeMany(wrong(undefined))],
    ['an object for pairs', () => dkv.addOrUpdateMany(wrong({ a: 1 }))],
  ])('%s', async (_, call) => {
    await expect(call()).rejects.toThrow(TypeError);
    expect(processor.calls).toEqual([]);
  });
});

describe('a call on many', () => {
  it('answers in order, with a gap where there is no value', async () => {
    hold('a', 1);
    hold('c', 3);
    expect((await dkv.getMany(['c', 'b', 'a', 'c'])).map((pair) => pair?.value)).toEqual([
      3,
      undefined,
      1,
      3,
    ]);
  });

  it('writes and deletes each', async () => {
    const pairs = await dkv.addOrUpdateMany([
      ['a', 1],
      ['b', 2],
    ]);
    expect(pairs.map(({ key, value }) => [key, value])).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect(await dkv.removeMany(['b', 'x', 'a'])).toEqual([true, false, true]);
  });

  it('of none does nothing', async () => {
    expect(await dkv.getMany([])).toEqual([]);
    expect(await dkv.addOrUpdateMany([])).toEqual([]);
    expect(await dkv.removeMany([])).toEqual([]);
    expect(processor.calls).toEqual([]);
  });

  it('hands its options to each', async () => {
    await dkv.getMany(['a', 'b'], { consistency: 'quorum' });
    expect(processor.calls.map(([, key, , options]) => [key, (options as ReadOptions).level])).toEqual([
      ['a', 'quorum'],
      ['b', 'quorum'],
    ]);
  });

  it('is not one request: each key is a write of its own', async () => {
    const options: object = { idempotencyKey: 'once' };
    const error = await rejected(dkv.removeMany(['a', 'b'], options));
    expect(error.code).toBe('DKV_INVALID_ARGUMENT');
    expect(error.message).toContain('idempotencyKey');
    expect(processor.calls).toEqual([]);
  });

  it('has 64 under way at once and no more, and gets through all', async () => {
    const keys = Array.from({ length: 1_000 }, (_, number) => `k${number}`);
    keys.forEach((key, number) => hold(key, number));
    expect((await dkv.getMany(keys)).map((pair) => pair?.value)).toEqual(keys.map((_, number) => number));
    expect(processor.underWayMax).toBe(64);
  });

  describe('of which some fail', () => {
    const indeterminate = new DkvError('DKV_INDETERMINATE', 'who knows');
    const refused = new DkvError('DKV_QUORUM_NOT_REACHED', 'too few');

    const failing = async (failures: Record<string, Error>): Promise<DkvManyError> => {
      Object.entries(failures).forEach(([key, failure]) => processor.failures.set(key, failure));
      return (await rejected(
        dkv.addOrUpdateMany(['a', 'b', 'c', 'd'].map((key) => [key, key])),
      )) as DkvManyError;
    };

    it('tells the outcome of each, in order, and has tried all', async () => {
      const { outcomes } = await failing({ b: refused, d: indeterminate });
      expect(
        outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as Error) : 'written')),
      ).toEqual(['written', refused, 'written', indeterminate]);
      expect([...processor.held.keys()]).toEqual(['a', 'c']);
    });

    it('has the code of the gravest, which is its cause', async () => {
      const error = await failing({ b: refused, d: indeterminate });
      expect(error.code).toBe('DKV_INDETERMINATE');
      expect(error.cause).toBe(indeterminate);
      expect(error.message).toMatch(/2 of 4 keys.*who knows/);
    });

    it('has the code of the only kind there is', async () => {
      const error = await failing({ c: refused });
      expect(error.code).toBe('DKV_QUORUM_NOT_REACHED');
      expect(error.cause).toBe(refused);
    });

    it('is a DkvError like any other', async () => {
      expect(await failing({ c: refused })).toMatchObject({ name: 'DkvError', status: 503 });
    });

    it('fails as itself for what is no error of the store', async () => {
      const bug = new RangeError('a bug');
      await expect(failing({ b: refused, c: bug })).rejects.toBe(bug);
    });
  });
});

describe('what the client tells of the cluster', () => {
  it('is which nodes hold a key, by the class of the namespace', () => {
    expect(dkv.nodesOf('k')).toEqual(view.listOf(view.partitionOf('k', 0)));
    const few = { name: 'few', mode: 'eventual', placement: 2, codec: '', merger: '' } as const;
    view.propose(withNamespaces(view.agreed, [few]));
    const nodes = clientWith(codec, { placement: 2 }).nodesOf('k');
    expect(nodes).toEqual(view.listOf(view.partitionOf('k', 2)));
    expect(nodes).toHaveLength(2);
  });

  it('is every node with its state and its partitions', () => {
    view.setState('b', 'down');
    const nodes = dkv.cluster();
    expect(nodes.map(({ nodeId, state }) => `${nodeId} ${state}`)).toEqual([
      'a up',
      'b down',
      'c suspect',
      'd suspect',
    ]);
    const sum = (role: 'holder' | 'replica') =>
      nodes.reduce((all, { partitions }) => all + partitions[role], 0);
    expect([sum('holder'), sum('replica')]).toEqual([view.slices, 2 * view.slices]);
    expect(nodes[0]).toMatchObject(NODES[0]!);
  });

  it('is the state of this node', () => {
    view.setState('b', 'down');
    expect(dkv.metrics()).toEqual({
      ready: true,
      hintBytes: 7,
      partitionsUnderReplicated: view.underReplicated(),
      keys: 3,
      usage: storage.metrics().usage,
      tombstones: 2,
      storageBytes: 3,
      engine: 'memory',
      logBytes: 4,
      dirtyBytes: 5,
      corruptRecords: 6,
      groupsWithoutQuorum: 8,
      groupsLed: 9,
      termChanges: 10,
      applyLag: 11,
      checkpointAgeMs: 13,
    });
    processor.ready = false;
    expect(dkv.metrics().ready).toBe(false);
  });
});
