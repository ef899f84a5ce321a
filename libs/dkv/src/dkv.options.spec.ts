/** The options: each wrong one fails the boot and says its name, its value and the remedy; the rest is filled in. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { JsonCodec } from './codec/json-codec.js';
import { StaticDiscovery } from './discovery/static-discovery.js';
import { resolveOptions } from './dkv.options.js';
import { LastWriteWinsMerger } from './merger/last-write-wins-merger.js';
import { md5HashFunc } from './hashring/md5-hash-func.js';
import { type Controller } from './ports/controller.js';
import { type RemoteKvRepo } from './ports/remote-kv-repo.js';
import { caught } from '../testing/caught.js';
import { CapturedLog } from '../testing/captured-log.js';
import { ManualClock } from '../testing/manual-clock.js';

type Given = Record<string, unknown>;

const resolved = (given: Given) => resolveOptions(given);
const complaint = (given: Given): string => {
  const error = caught(() => resolved(given));
  expect(error.code).toBe('DKV_INVALID_OPTIONS');
  return error.message;
};

const DAY_MS = 86_400_000;
const MIB = 1024 * 1024;

/** Not an object: whoever forgets `new` must not get the default hash instead. */
const hashClass = class Mine {
  static hash() {}
};

describe('a wrong value', () => {
  const text: [string, unknown[], string][] = [
    ['nodeId', ['', 'a b', 'ä', 'a'.repeat(101), 5, {}], 'A-Z a-z 0-9 . _ -'],
    ['hostname', ['', 5], 'host name or an address'],
    ['dataDir', ['', 5], 'give a path'],
    ['peerBind', [5], 'address of this machine'],
    ['zone', [5, 'z'.repeat(101)], 'give'],
  ];
  const choices: [string, unknown[], string][] = [
    ['storage', ['', 'redis', 'RocksDB', 5], 'auto, rocksdb, rocksdb-native, classic-level, memory'],
    ['durability', ['none', true], 'wal, fsync'],
    ['leaseReads', ['true', 1, {}], 'true or false'],
    [
      'hashFunc',
      ['sha1', 5, {}, { name: 'mine', hash: 5 }, { hash() {} }, { name: '', hash() {} }, hashClass],
      'md5, xxhash or a HashFunc',
    ],
    ['mode', ['weak', '', true], 'strong, eventual'],
    ['readConsistency', ['all', 'two', 5], 'one, quorum, linearizable'],
    ['writeConsistency', ['none', 5], 'one, quorum, all'],
    ['weight', [0, -1, Number.NaN, Infinity, '1'], 'above 0'],
  ];
  const whole: [string, number, number][] = [
    ['peerPort', 0, 65_535],
    ['replicas', 0, 15],
    ['partitions', 1, 65_534],
    ['readTimeoutMs', 1, DAY_MS],
    ['revertTimeoutMs', 1, DAY_MS],
    ['peerTimeoutMs', 10, 60_000],
    ['heartbeatIntervalMs', 20, 60_000],
    ['electionTimeoutMs', 100, 60_000],
    ['idempotencyTtlMs', 1_000, 365 * DAY_MS],
    ['logRetentionBytesMax', 2 * MIB, 65_536 * MIB],
    ['antiEntropyIntervalMs', 100, DAY_MS],
    ['tombstoneTtlMs', 60_000, 365 * DAY_MS],
    ['maxClockOffsetMs', 1, 60_000],
    ['valueBytesMax', 1, 64 * MIB],
    ['replicationBytesMax', MIB, 16_384 * MIB],
    ['hintBytesMax', 0, 16_384 * MIB],
    ['cacheBytesMax', 0, 65_536 * MIB],
    ['transferBytesPerSecondMax', 1024, 16_384 * MIB],
  ];
  const numbers = whole.map(([option, min, max]): [string, unknown[], string] => [
    option,
    [min - 1, max + 1, min + 0.5, Number.NaN, '7', true],
    `from ${min} to ${max}`,
  ]);
  const ports: [string, unknown[], string][] = [
    ['discovery', [{}, 'static', { register() {}, getNodes() {} }], 'register, deregister, getNodes'],
    ['merger', [{}, () => 1, { merge: 5 }], 'merge'],
    ['codec', [{ encode() {} }, 'json'], 'encode, decode'],
    ['logger', [{ log() {}, warn() {} }, true], 'log, warn, error'],
    ['remoteKvRepo', [{ send() {} }], 'send, close'],
    ['controller', [{ start() {} }], 'start, stop'],
    ['clock', [{ now() {} }, Date], 'now, monotonic, schedule'],
  ];

  const cases = [...text, ...choices, ...numbers, ...ports].flatMap(([option, values, remedy]) =>
    values.map((value) => ({ option, value, remedy, shown: shownAs(value) })),
  );

  it.each(cases)('of $option: $shown', ({ option, value, remedy, shown }) => {
    const message = complaint({ [option]: value });
    const line = message.split('\n').find((each) => each.startsWith(`- ${option} is `));
    expect(line, message).toBeDefined();
    expect(line).toContain(remedy);
    expect(line).toContain(` is ${shown}: `);
  });

  it.each(whole)('of %s begins below %i and above %i', (option, min, max) => {
    // An election time-out is held against the heartbeats: the shortest go with the shortest.
    const others = option === 'electionTimeoutMs' ? { heartbeatIntervalMs: 20 } : {};
    expect(resolved({ ...others, [option]: min })).toMatchObject({ [option]: min });
    expect(resolved({ [option]: max })).toMatchObject({ [option]: max });
  });

  it('is told once, and all of them together', () => {
    const lines = complaint({ replicas: -1.5, partitions: 0, storage: 'x', nonsense: 1 }).split('\n');
    expect(lines).toHaveLength(5);
    for (const option of ['replicas', 'partitions', 'storage', 'nonsense']) {
      expect(lines.filter((line) => line.startsWith(`- ${option} is `))).toHaveLength(1);
    }
  });
});

describe.each(['apiKey', 'adminKey'] as const)('the secret %s', (option) => {
  it.each<[string, unknown]>([
    ['short', 'hunter2'],
    ['with a space', 'hunter2 hunter2'],
    ['with a line break', 'hunter2hunter2\n'],
    ['with an umlaut', 'hünter2hunter2'],
    ['too long', 'hunter2'.repeat(50)],
    ['a number', 4_815_162_342],
    ['a list', ['hunter2hunter2']],
    ['a list with a short one', ['hunter2hunter2', 'hunter2']],
    ['the same twice', ['hunter2hunter2', 'hunter2hunter2']],
    ['three', ['hunter2hunter2', 'hunter2hunter3', 'hunter2hunter4']],
  ])('is refused when it is wrong, without being shown: %s', (_, secret) => {
    const message = complaint({ [option]: secret });
    expect(message).toContain(`- ${option}: give 8 to 256`);
    expect(message).not.toMatch(/h[uü]nter2|4815162342/);
  });

  it('is not shown when it is another option that is wrong', () => {
    expect(complaint({ [option]: 'hunter2hunter2', replicas: -1 })).not.toContain('hunter2');
  });
});

describe('the admin key', () => {
  it('is another one than the api key', () => {
    const same = { apiKey: 'hunter2hunter2', adminKey: 'hunter2hunter2' };
    const message = complaint(same);
    expect(message).toContain('adminKey is the apiKey: give operators a secret of their own');
    expect(message).not.toContain('hunter2');
    const both = ['hunter2hunter1', 'hunter2hunter2'];
    expect(complaint({ apiKey: both, adminKey: 'hunter2hunter2' })).toContain('adminKey is the apiKey');
    expect(resolved({ ...same, adminKey: 'hunter2hunter3' })).toMatchObject({ adminKey: 'hunter2hunter3' });
  });

  it('is for the controller of the library alone', () => {
    const remoteKvRepo = { send() {}, close() {} };
    const controller = { start() {}, stop() {} };
    expect(complaint({ adminKey: '12345678', remoteKvRepo, controller })).toContain(
      'adminKey is not for a controller of your own',
    );
  });
});

describe('the api key', () => {
  const discovery = StaticDiscovery.parse('a=h:1');

  it.each([undefined, null])('is needed as soon as there are peers: %s', (apiKey) => {
    expect(complaint({ nodeId: 'a', discovery, apiKey })).toMatch(/apiKey is missing.*8 to 256/);
    expect(() => resolved({ nodeId: 'a', discovery, apiKey: '12345678' })).not.toThrow();
    expect(() => resolved({ nodeId: 'a', apiKey })).not.toThrow();
  });

  it('may be two while it is changed', () => {
    const apiKey = ['hunter2hunter2', 'hunter2hunter3'];
    expect(resolved({ nodeId: 'a', discovery, apiKey })).toMatchObject({ apiKey });
  });

  it('is done without only where that is called insecure, and then alone', () => {
    expect(complaint({ nodeId: 'a', discovery })).toContain('insecure: true');
    expect(complaint({ nodeId: 'a', discovery, insecure: false })).toContain('apiKey is missing');
    expect(complaint({ insecure: 'yes' })).toContain('insecure is "yes": give true or false');
    expect(complaint({ nodeId: 'a', discovery, apiKey: '12345678', insecure: true })).toContain(
      'leave one of them out',
    );
    expect(resolved({ nodeId: 'a', discovery, insecure: true })).toMatchObject({
      apiKey: '',
      insecure: true,
    });
  });
});

describe('nodeId', () => {
  const discovery = StaticDiscovery.parse('a=h:1,b=h:2');

  it.each([undefined, null])(
    'is needed as soon as there are peers, and it says what that is on Kubernetes: %s',
    (nodeId) => {
      const message = complaint({ nodeId, discovery, apiKey: '12345678' });
      expect(message).toMatch(
        /nodeId is missing.*process\.env\.HOSTNAME.*metadata\.name by the downward API/,
      );
    },
  );
});

describe('options that are none', () => {
  it.each(['replica', 'apikey', 'Replicas', 'toString', 'isGlobal'])('are refused by name: %s', (name) => {
    expect(complaint({ [name]: 1 })).toMatch(new RegExp(`- ${name} is not an option: check its spelling`));
  });
});

describe('what the mode does not offer', () => {
  it.each<[Given, string]>([
    [{ writeConsistency: 'one' }, 'writeConsistency is "one": mode is strong'],
    [{ mode: 'strong', writeConsistency: 'all' }, "set mode: 'eventual'"],
    [
      { mode: 'eventual', readConsistency: 'linearizable' },
      'readConsistency is "linearizable": mode is eventual',
    ],
  ])('is refused, not ignored: %j', (given, remedy) => {
    expect(complaint(given)).toContain(remedy);
  });

  it.each<Given>([
    { mode: 'strong', readConsistency: 'linearizable', writeConsistency: 'quorum' },
    { mode: 'eventual', readConsistency: 'quorum', writeConsistency: 'all' },
  ])('is not this: %j', (given) => {
    expect(resolved(given)).toMatchObject(given);
  });
});

describe('the two sides of a transport', () => {
  const remoteKvRepo = { send() {}, close() {}, metrics() {} } as unknown as RemoteKvRepo;
  const controller = { start() {}, stop() {} } as unknown as Controller;

  it('go together', () => {
    expect(complaint({ remoteKvRepo })).toContain('remoteKvRepo and controller go together');
    expect(complaint({ controller })).toContain('remoteKvRepo and controller go together');
    expect(resolveOptions({ remoteKvRepo, controller })).toMatchObject({ remoteKvRepo, controller });
  });

  it("of one's own need no api key", () => {
    const discovery = StaticDiscovery.parse('a=h:1');
    expect(() => resolveOptions({ nodeId: 'a', discovery, remoteKvRepo, controller })).not.toThrow();
  });
});

describe('what is not given', () => {
  it('has the documented default', () => {
    expect(resolveOptions()).toEqual({
      hostname: hostname(),
      dataDir: resolve('dkv-data'),
      storage: 'auto',
      durability: 'wal',
      peerPort: 7000,
      peerBind: '0.0.0.0',
      transport: 'stream',
      apiKey: '',
      adminKey: '',
      insecure: false,
      weight: 1,
      zone: '',
      replicas: 2,
      partitions: 64,
      hashFunc: 'md5',
      mode: 'strong',
      readConsistency: 'one',
      writeConsistency: 'quorum',
      readTimeoutMs: 5_000,
      revertTimeoutMs: 10_000,
      peerTimeoutMs: 2_000,
      heartbeatIntervalMs: 100,
      electionTimeoutMs: 1_000,
      join: 'automatic',
      memberRemovalMs: 30 * 60_000,
      transfersMax: 4,
      leaseReads: false,
      readyAtQuorum: false,
      processMetrics: false,
      idempotencyTtlMs: DAY_MS,
      logRetentionBytesMax: 256 * MIB,
      antiEntropyIntervalMs: 10_000,
      tombstoneTtlMs: DAY_MS,
      maxClockOffsetMs: 500,
      valueBytesMax: MIB,
      replicationBytesMax: 64 * MIB,
      hintBytesMax: 64 * MIB,
      cacheBytesMax: 64 * MIB,
      transferBytesPerSecondMax: 32 * MIB,
    });
  });

  it('may be said as undefined or null', () => {
    const names = Object.keys(resolveOptions());
    for (const nothing of [undefined, null]) {
      expect(resolved(Object.fromEntries(names.map((name) => [name, nothing])))).toEqual(resolveOptions());
    }
  });
});

describe('what is given', () => {
  it('stays, beside the defaults of the rest', () => {
    const options = resolveOptions({
      nodeId: 'a',
      replicas: 0,
      hintBytesMax: 0,
      zone: 'z',
      peerPort: 0,
      weight: 0.5,
    });
    expect(options).toMatchObject({
      nodeId: 'a',
      replicas: 0,
      hintBytesMax: 0,
      zone: 'z',
      peerPort: 0,
      weight: 0.5,
    });
    expect(options).toMatchObject({ partitions: 64, storage: 'auto' });
  });

  it('as a relative folder is made absolute, so that a later change of folder does not move the data', () => {
    expect(resolveOptions({ dataDir: 'some/where' }).dataDir).toBe(resolve('some/where'));
  });

  it('as an object of a port is handed on as the very same', () => {
    const given = {
      nodeId: 'a',
      apiKey: '12345678',
      discovery: StaticDiscovery.parse('a=h:1'),
      merger: new LastWriteWinsMerger(),
      codec: new JsonCodec(),
      hashFunc: md5HashFunc,
      logger: new CapturedLog(),
      clock: new ManualClock(),
      remoteKvRepo: { send() {}, close() {} } as unknown as RemoteKvRepo,
      controller: { start() {}, stop() {} } as unknown as Controller,
    };
    const options = resolveOptions(given);
    for (const name of Object.keys(given) as (keyof typeof given)[]) {
      expect(options[name]).toBe(given[name]);
    }
  });

  it('is not changed, and the result can not be', () => {
    const given = Object.freeze({ replicas: 1 });
    const options = resolveOptions(given);
    expect(Object.isFrozen(options)).toBe(true);
    expect(given).toEqual({ replicas: 1 });
    expect(resolveOptions()).not.toBe(resolveOptions());
  });
});

function shownAs(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'object':
      return 'an object';
    case 'function':
      return 'a function';
    default:
      return String(value);
  }
}

describe('the election time-out', () => {
  it('is five heartbeats at least', () => {
    expect(complaint({ heartbeatIntervalMs: 300, electionTimeoutMs: 1_499 })).toMatch(
      /electionTimeoutMs is 1499 .*1500/,
    );
    expect(resolved({ heartbeatIntervalMs: 300, electionTimeoutMs: 1_500 }).electionTimeoutMs).toBe(1_500);
  });

  it('is a second, or five heartbeats where these are longer, unless it is given', () => {
    expect(resolved({}).electionTimeoutMs).toBe(1_000);
    expect(resolved({ heartbeatIntervalMs: 400 }).electionTimeoutMs).toBe(2_000);
  });
});
