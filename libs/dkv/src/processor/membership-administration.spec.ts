/** What an operator may ask of the members: what is passed on, what is refused and why, and what the log says of it. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { rejected } from '../../testing/caught.js';
import { FakeMembership } from '../../testing/fake-membership.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { ClusterView } from '../cluster/cluster-view.js';
import { DkvError, type DkvErrorCode } from '../dkv.errors.js';
import { Hashring } from '../hashring/hashring.js';
import { md5HashFunc } from '../hashring/md5-hash-func.js';
import { type MembershipChange } from '../model/membership.js';
import { MembershipAdministration } from './membership-administration.js';

const BY_API = { by: 'API', timeoutMs: 5_000 } as const;
const CANDIDATE = testNode('d', { weight: 3, zone: 'z' });

let view: ClusterView;
let log: CapturedLog;
let membership: FakeMembership;
let administration: MembershipAdministration;

function start(...nodeIds: string[]): void {
  const nodes = testNodes(...nodeIds);
  const ring = Hashring.of(nodes, { partitions: 8, replicas: 1, hashFunc: md5HashFunc });
  view = ClusterView.of('a', ring, nodes);
  log = new CapturedLog();
  membership = new FakeMembership({ ...view.agreed, epoch: 1 });
  membership.candidates = [CANDIDATE];
  administration = new MembershipAdministration({ view, logger: log }, membership);
}

beforeEach(() => start('a', 'b', 'c'));

type Ask = (administration: MembershipAdministration) => Promise<number>;

const CHANGES: [string, Ask, MembershipChange[], string][] = [
  ['admit', (to) => to.admit('d', BY_API), [{ kind: 'join', node: CANDIDATE }], 'node d is to join'],
  [
    'decommission',
    (to) => to.decommission('c', BY_API),
    [{ kind: 'leave', nodeId: 'c' }],
    'node c is to leave',
  ],
  [
    'replace',
    (to) => to.replace('c', 'd', BY_API),
    [
      { kind: 'join', node: CANDIDATE },
      { kind: 'leave', nodeId: 'c' },
    ],
    'node c is to be replaced by d',
  ],
  [
    'weight',
    (to) => to.setWeight('b', 0.5, BY_API),
    [{ kind: 'weight', nodeId: 'b', weight: 0.5 }],
    'the weight of node b is to be 0.5',
  ],
  [
    'zone',
    (to) => to.setZone('b', 'x\n', BY_API),
    [{ kind: 'zone', nodeId: 'b', zone: 'x\n' }],
    'the zone of node b is to be "x\\n"',
  ],
];

describe.each(CHANGES)('%s', (_, ask, changes, what) => {
  it('is agreed on, and noted with who asked', async () => {
    expect(await ask(administration)).toBe(2);
    expect(membership.asked).toEqual([[changes, 5_000]]);
    expect([log.lines, log.warnings]).toEqual([[`Members, by the API: ${what}; agreed on, epoch 2.`], []]);
  });

  it.each<[DkvErrorCode, RegExp]>([
    ['DKV_NOT_READY', /^why Start the nodes that are missing/],
    ['DKV_QUORUM_NOT_REACHED', /^why A majority of a, b, c, which keep the configuration, is needed/],
    ['DKV_CONFLICT', /^why Look at what moves now/],
    ['DKV_TIMEOUT', /^why Look for nodes that are slow/],
    ['DKV_INDETERMINATE', /^why It may be agreed on yet/],
    ['DKV_READ_ONLY', /^why$/],
    ['DKV_UNSUPPORTED', /^why$/],
  ])('that is not agreed on for %s is refused with a remedy, and noted', async (code, message) => {
    membership.failure = new DkvError(code, 'why');
    const error = await rejected(ask(administration));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    expect([log.lines, log.warnings]).toEqual([
      [],
      [`Members, by the API: ${what}; without success: ${code}: ${error.message}`],
    ]);
  });
});

it('an error that is none of the store passes as it is', async () => {
  membership.failure = new TypeError('a bug');
  await expect(administration.keep('c', BY_API)).rejects.toBe(membership.failure);
  expect(log.warnings).toEqual(['Members, by the API: node c is to stay; without success: a bug']);
});

describe('what is done already', () => {
  it('changes nothing: a member that is admitted, one that leaves, one that stays', async () => {
    expect(await administration.admit('b', BY_API)).toBe(1);
    expect(await administration.keep('b', BY_API)).toBe(1);
    expect(await administration.setWeight('b', 1, BY_API)).toBe(1);
    expect(await administration.decommission('c', BY_API)).toBe(2);
    expect(await administration.decommission('c', BY_API)).toBe(2);
  });

  it('can be undone: a node that leaves is kept, or admitted', async () => {
    for (const again of ['keep', 'admit'] as const) {
      await administration.decommission('c', BY_API);
      expect(membership.configuration.members[2]).toMatchObject({ nodeId: 'c', isLeaving: true });
      await administration[again]('c', { by: 'admin port', timeoutMs: 1 });
      expect(membership.configuration.members[2]).toEqual(testNode('c'));
      expect(membership.asked.at(-1)).toEqual([[{ kind: 'stay', nodeId: 'c' }], 1]);
      expect(log.lines.at(-1)).toMatch(/^Members, by the admin port: node c is to (stay|join); agreed on/);
    }
  });
});

describe('remove', () => {
  it('is of a node that is down', async () => {
    view.setState('c', 'down');
    expect(await administration.remove('c', BY_API)).toBe(2);
    expect(membership.asked).toEqual([[[{ kind: 'leave', nodeId: 'c' }], 5_000]]);
    expect(log.lines).toEqual([
      'Members, by the API: node c, which is down, is to be removed; agreed on, epoch 2.',
    ]);
  });

  it.each(['up', 'suspect'] as const)('of one that is %s is refused', async (state) => {
    view.setState('c', state);
    const error = await rejected(administration.remove('c', BY_API));
    expect(error.code).toBe('DKV_INVALID_ARGUMENT');
    expect(error.message).toMatch(new RegExp(`^Node c is not down, but ${state}: decommission it`));
    expect([membership.asked, log.warnings]).toEqual([[], [expect.stringContaining('not down')]]);
  });

  it('of the node that is asked is refused', async () => {
    expect((await rejected(administration.remove('a', BY_API))).message).toMatch(
      /^Node a is not down, but up/,
    );
  });
});

describe('a change of a node that is no member', () => {
  it.each<[string, Ask]>([
    ['decommission', (to) => to.decommission('z', BY_API)],
    ['remove', (to) => to.remove('z', BY_API)],
    ['replace', (to) => to.replace('z', 'd', BY_API)],
    ['keep', (to) => to.keep('z', BY_API)],
    ['weight', (to) => to.setWeight('z', 1, BY_API)],
    ['zone', (to) => to.setZone('z', '', BY_API)],
  ])('is refused by the core, as it says: %s', async (_, ask) => {
    const { code, message } = await rejected(ask(administration));
    expect([code, message]).toEqual([
      'DKV_INVALID_ARGUMENT',
      'Node z is no member of this cluster: its members are a, b, c.',
    ]);
    expect(log.warnings).toEqual([
      expect.stringContaining(`; without success: DKV_INVALID_ARGUMENT: ${message}`),
    ]);
  });

  it('is not refused by what this node knows: it hears of members later than the core', async () => {
    const change = vi.spyOn(membership, 'change').mockResolvedValue(9);
    expect(await administration.setWeight('d', 2, BY_API)).toBe(9);
    expect(await administration.decommission('d', BY_API)).toBe(9);
    expect(change).toHaveBeenCalledTimes(2);
  });
});

describe('a change is refused that is', () => {
  it.each<[string, Ask, string]>([
    [
      'to admit a stranger',
      (to) => to.admit('z', BY_API),
      'Node z is no candidate: name one of d, or start it so that it finds this cluster.',
    ],
    [
      'a replacement by a stranger',
      (to) => to.replace('c', 'z', BY_API),
      'Node z is no candidate: name one of d, or start it so that it finds this cluster.',
    ],
    [
      'a replacement by a member',
      (to) => to.replace('c', 'b', BY_API),
      'Node b is a member already: name a candidate, or decommission node c alone.',
    ],
    [
      'a replacement by the same node',
      (to) => to.replace('c', 'c', BY_API),
      'Node c is a member already: name a candidate, or decommission node c alone.',
    ],
  ])('%s', async (_, ask, message) => {
    const error = await rejected(ask(administration));
    expect([error.code, error.message]).toEqual(['DKV_INVALID_ARGUMENT', message]);
    expect(membership.asked).toEqual([]);
    expect(log.warnings).toEqual([
      expect.stringContaining(`; without success: DKV_INVALID_ARGUMENT: ${message}`),
    ]);
  });

  it.each<[string, Ask, string]>([
    [
      'of no node',
      (to) => to.admit('', BY_API),
      'nodeId is "": give 1 to 100 characters of A-Z a-z 0-9 . _ -',
    ],
    ['of a name with a line feed', (to) => to.decommission('a\n', BY_API), 'nodeId is "a\\n": give'],
    ['of a long name', (to) => to.remove('a'.repeat(101), BY_API), 'nodeId is "aaa'],
    ['by no node', (to) => to.replace('c', '', BY_API), 'byNodeId is "": give'],
    [
      'of weight 0',
      (to) => to.setWeight('b', 0, BY_API),
      'weight is 0: give a finite number above 0, such as 1.',
    ],
    ['of a negative weight', (to) => to.setWeight('b', -1, BY_API), 'weight is -1: give'],
    ['of no weight', (to) => to.setWeight('b', Number.NaN, BY_API), 'weight is NaN: give'],
    ['of an endless weight', (to) => to.setWeight('b', Infinity, BY_API), 'weight is Infinity: give'],
    [
      'of a long zone',
      (to) => to.setZone('b', 'z'.repeat(101), BY_API),
      'zone has 101 characters: give at most 100.',
    ],
  ])('%s, and the log has no word of it', async (_, ask, message) => {
    const error = await rejected(ask(administration));
    expect([error.code, error.message.startsWith(message)]).toEqual(['DKV_INVALID_ARGUMENT', true]);
    expect([membership.asked, log.lines, log.warnings]).toEqual([[], [], []]);
  });

  it.each(['decommission', 'remove'] as const)('a %s after which no node stays', async (leave) => {
    start('a', 'b');
    view.setState('b', 'down');
    await administration.decommission('a', BY_API);
    const { code, message } = await rejected(administration[leave]('b', BY_API));
    expect([code, message]).toEqual([
      'DKV_INVALID_ARGUMENT',
      'No member would be left that could hold the data. Take another node in first.',
    ]);
    expect(await administration.replace('b', 'd', BY_API)).toBe(3);
  });

  it('an admission where nobody waits', async () => {
    membership.candidates = [];
    expect((await rejected(administration.admit('d', BY_API))).message).toBe(
      'Node d is no candidate: none waits to join. Start it so that it finds this cluster.',
    );
  });
});

it('tells what moves, as this node knows it', async () => {
  expect(administration.moves()).toMatchObject({ epoch: 1, isSettled: true });
  await administration.decommission('c', BY_API);
  membership.begin(1);
  expect(administration.moves()).toMatchObject({ epoch: 3, isSettled: false, moving: [{ sinceEpoch: 3 }] });
});
