/** Versions: the plain string order is the order of (physical ms, counter, node id, boot). */
import { describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import {
  COUNTER_MAX,
  counterOf,
  formatVersion,
  isVersion,
  joinVersion,
  NO_VERSION,
  NODE_ID_PATTERN,
  parseVersion,
  stamperOf,
  physicalMsOf,
  type VersionParts,
} from './version.js';

/** Ids that begin with one another, and the characters next to the separators of a version. */
const NODE_IDS = [
  'a',
  'a-',
  'a-b',
  'a.',
  'a.b',
  'a0',
  'aa',
  'a_',
  'A',
  'b',
  '-',
  '-a',
  '.',
  '_',
  '0',
  '00',
  'a'.repeat(100),
];

describe('the text of a version', () => {
  it('is the one documented', () => {
    const parts = { physicalMs: 1_700_000_000_123, counter: 10, nodeId: 'node-1', boot: 3 };
    expect(formatVersion(parts)).toBe('018bcfe5687b-000a-node-1!00000003');
  });

  it.each<[string, VersionParts]>([
    ['least of all', { physicalMs: 0, counter: 0, nodeId: 'a', boot: 0 }],
    [
      'greatest of all',
      { physicalMs: 2 ** 48 - 1, counter: COUNTER_MAX, nodeId: 'z'.repeat(100), boot: 2 ** 32 - 1 },
    ],
    ['node id like a version', { physicalMs: 1, counter: 2, nodeId: '018bcfe5687b-000a-node-1', boot: 3 }],
  ])('reads back: %s', (_, parts) => {
    const version = formatVersion(parts);
    expect(isVersion(version)).toBe(true);
    expect(parseVersion(version)).toEqual(parts);
    expect(physicalMsOf(version)).toBe(parts.physicalMs);
    expect(counterOf(version)).toBe(parts.counter);
  });
});

describe('the order of versions', () => {
  it.each<[string, Partial<VersionParts>, Partial<VersionParts>]>([
    ['time before counter', { physicalMs: 1, counter: COUNTER_MAX }, { physicalMs: 2, counter: 0 }],
    ['time across a hex digit', { physicalMs: 0xf }, { physicalMs: 0x10 }],
    ['counter before node id', { counter: 1, nodeId: 'z' }, { counter: 2, nodeId: 'a' }],
    ['counter across a hex digit', { counter: 0x9 }, { counter: 0xa }],
    ['node id before boot', { nodeId: 'a', boot: 9 }, { nodeId: 'b', boot: 1 }],
    ['boot across a hex digit', { boot: 0xf }, { boot: 0x10 }],
    ['a node id before one that begins with it', { nodeId: 'a', boot: 9 }, { nodeId: 'a-', boot: 1 }],
    ['the same with a dot', { nodeId: 'node', boot: 9 }, { nodeId: 'node.eu', boot: 1 }],
    ['the same with a digit', { nodeId: 'node-1', boot: 9 }, { nodeId: 'node-10', boot: 1 }],
  ])('is %s', (_, lower, higher) => {
    const base = { physicalMs: 5, counter: 5, nodeId: 'n', boot: 5 };
    expect(formatVersion({ ...base, ...lower }) < formatVersion({ ...base, ...higher })).toBe(true);
  });

  it('is that of the tuples, for any two versions', () => {
    const random = new SimRandom('order of versions');
    const draw = (): VersionParts => ({
      physicalMs: random.pick([0, 1, 15, 16, 17, 2 ** 40, 2 ** 48 - 1, random.int(2 ** 20)]),
      counter: random.pick([0, 1, 9, 10, 15, 16, COUNTER_MAX, random.int(COUNTER_MAX)]),
      nodeId: random.pick(NODE_IDS),
      boot: random.pick([0, 1, 9, 10, 255, 256, 2 ** 32 - 1, random.int(2 ** 20)]),
    });
    const pairs = Array.from({ length: 20_000 }, () => [draw(), draw()] as const);
    const turned = pairs.filter(
      ([a, b]) => textOrder(formatVersion(a), formatVersion(b)) !== tupleOrder(a, b),
    );
    expect(turned).toEqual([]);
  });

  it('puts "no version" below all', () => {
    expect(NO_VERSION < formatVersion({ physicalMs: 0, counter: 0, nodeId: '-', boot: 0 })).toBe(true);
  });
});

describe('the version of a join', () => {
  const written = formatVersion({ physicalMs: 5, counter: 5, nodeId: 'n', boot: 5 });

  it('is a version, and says when the newer side was written', () => {
    const join = joinVersion(written, 'a-node', 3);
    expect(isVersion(join)).toBe(true);
    expect(parseVersion(join)).toEqual(parseVersion(written));
    expect(physicalMsOf(join)).toBe(5);
  });

  it.each<[string, string]>([
    ['the newer side', written],
    ['a join of it at a node whose id comes before', joinVersion(written, '-', 1)],
    ['a join of that, at the same node', joinVersion(joinVersion(written, 'm', 3), 'm', 3)],
  ])('is above %s', (_, newer) => {
    expect(joinVersion(newer, 'm', 3) > newer).toBe(true);
  });

  it.each<[string, Partial<VersionParts>]>([
    ['counter', { counter: 6 }],
    ['node id', { nodeId: 'n-' }],
    ['node id that only begins with it', { nodeId: 'na' }],
    ['boot', { boot: 6 }],
    ['time', { physicalMs: 6, counter: 0 }],
  ])('is below whatever was written later, however often it is joined: by %s', (_, later) => {
    const written2 = formatVersion({ physicalMs: 5, counter: 5, nodeId: 'n', boot: 5, ...later });
    let join = written;
    for (let count = 0; count < 300; count++) {
      const next = joinVersion(join, 'zzz', 2 ** 32 - 1);
      expect(next > join).toBe(true);
      join = next;
    }
    expect(join < written2).toBe(true);
  });

  it('differs by node and by start', () => {
    const joins = [joinVersion(written, 'a', 1), joinVersion(written, 'a', 2), joinVersion(written, 'b', 1)];
    expect(new Set(joins).size).toBe(3);
  });

  it('is not made for ever', () => {
    const last = `${written}+ffff-a!00000001`;
    expect(isVersion(last)).toBe(true);
    expect(caught(() => joinVersion(last, 'a', 1)).code).toBe('DKV_PROTOCOL');
  });
});

describe('what is no version', () => {
  it.each([
    ['nothing', ''],
    ['capital hex digits', '018BCFE5687B-000a-n!00000001'],
    ['no boot', '018bcfe5687b-000a-n'],
    ['a short boot', '018bcfe5687b-000a-n!0000001'],
    ['no node id', '018bcfe5687b-000a-!00000001'],
    ['a long node id', `018bcfe5687b-000a-${'n'.repeat(101)}!00000001`],
    ['a space', '018bcfe5687b-000a-a b!00000001'],
    ['a separator in the node id', '018bcfe5687b-000a-a!b!00000001'],
    ['something behind', '018bcfe5687b-000a-n!00000001\n'],
    ['a join without a node', '018bcfe5687b-000a-n!00000001+0000-!00000001'],
    ['a join of a join spelt out', '018bcfe5687b-000a-n!00000001+0000-a!00000001+0000-a!00000001'],
    ['a number', 5],
    ['null', null],
  ])('%s', (_, text) => {
    expect(isVersion(text)).toBe(false);
    expect(caught(() => parseVersion(text as string)).code).toBe('DKV_PROTOCOL');
  });

  it('is not repeated at length in the message', () => {
    expect(() => parseVersion('x'.repeat(10_000))).toThrow(/^.{1,120}$/);
  });
});

it('lets every node id of the table into a version, and only such', () => {
  expect(NODE_IDS.filter((nodeId) => !NODE_ID_PATTERN.test(nodeId))).toEqual([]);
  expect(
    ['', 'a b', 'a!', 'ä', 'a\n', 'a/b', 'a'.repeat(101)].filter((id) => NODE_ID_PATTERN.test(id)),
  ).toEqual([]);
});

function textOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function tupleOrder(a: VersionParts, b: VersionParts): number {
  for (const field of ['physicalMs', 'counter', 'nodeId', 'boot'] as const) {
    if (a[field] !== b[field]) {
      return a[field] < b[field] ? -1 : 1;
    }
  }
  return 0;
}

describe('the stamper of a version', () => {
  it.each([
    ['0193a5b2c4d1-0003-node1!00000002', 'node1!00000002'],
    ['0193a5b2c4d1-0003-node1!00000002+0000-node2!00000001', 'node1!00000002'],
  ])('of %s is %s', (version, stamper) => {
    expect(stamperOf(version)).toBe(stamper);
  });
});
