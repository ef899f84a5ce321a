/** What an operator asks of the members: what is refused, and what becomes of it when others change them, too. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../../testing/caught.js';
import { NO_PROGRESS } from '../../../testing/fake-membership.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { testNode, testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { configurationFrom, configurationOf, textOf } from '../../cluster/cluster-configuration.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { withChanges } from '../../cluster/configuration-changes.js';
import { DkvError } from '../../dkv.errors.js';
import { type ClusterConfiguration, type MembershipChange } from '../../model/membership.js';
import { type ShownRecord } from '../../model/shown-record.js';
import { MembershipChanges } from './membership-changes.js';
import { type Newcomers } from './newcomers.js';

const NODES = testNodes('a', 'b', 'c');
const FIRST: ClusterConfiguration = {
  ...configurationOf(testRing(NODES, { partitions: 4, replicas: 1 }), NODES),
  epoch: 1,
  clusterId: 'one',
};

let agreed: ClusterConfiguration | undefined;
/** Before so many writes somebody else is first. */
let beaten: number;
let asked: { expected?: string; timeoutMs: number }[];
let failure: DkvError | undefined;
let changes: MembershipChanges;
/** What this node was told to go by. */
let adopted: ClusterConfiguration[];

beforeEach(() => {
  agreed = FIRST;
  adopted = [];
  beaten = 0;
  asked = [];
  failure = undefined;
  changes = new MembershipChanges({
    view: new ClusterView('a', FIRST, testRing(NODES).hashFunc),
    newcomers: { candidates: [testNode('n')] } as unknown as Newcomers,
    refusal: () => failure,
    progress: NO_PROGRESS,
    clock: new ManualClock(),
    agreed: (configuration) => adopted.push(configuration),
    calls: {
      read: () =>
        Promise.resolve(
          agreed &&
            ({ value: Buffer.from(textOf(agreed)), version: `v${agreed.epoch}` } as unknown as ShownRecord),
        ),
      write: (_group, write) => {
        asked.push(write);
        if (failure) {
          return Promise.reject(failure);
        }
        if (beaten-- > 0) {
          agreed = { ...agreed!, epoch: agreed!.epoch + 1 };
          return Promise.resolve({ outcome: 'conflict' } as never);
        }
        agreed = configurationFrom(Buffer.from((write as { value: Uint8Array }).value).toString());
        return Promise.resolve({ outcome: 'done' } as never);
      },
    },
  });
});

const leave = (nodeId: string): MembershipChange => ({ kind: 'leave', nodeId });
const change = (...wanted: MembershipChange[]) => changes.change(wanted, 700);

it('shows what is agreed on, and who would like to join', () => {
  expect(changes.configuration).toBe(FIRST);
  expect(changes.candidates.map(({ nodeId }) => nodeId)).toEqual(['n']);
});

it('is agreed on under the version that was read, and tells the epoch', async () => {
  expect(await change(leave('a'))).toBe(2);
  expect(agreed).toEqual(withChanges(FIRST, [leave('a')]));
  expect(adopted).toEqual([agreed]);
  expect(asked).toEqual([expect.objectContaining({ expected: 'v1', timeoutMs: 700 })]);
});

it('writes nothing where all is so already', async () => {
  expect(await change({ kind: 'stay', nodeId: 'a' }, { kind: 'weight', nodeId: 'b', weight: 1 })).toBe(1);
  expect(asked).toEqual([]);
});

it('begins anew with what somebody else has made of it', async () => {
  beaten = 2;
  expect(await change(leave('a'))).toBe(4);
  expect(asked.map(({ expected }) => expected)).toEqual(['v1', 'v2', 'v3']);
});

describe('is refused', () => {
  it('with DKV_CONFLICT, where others are always first', async () => {
    beaten = Infinity;
    expect((await rejected(change(leave('a')))).code).toBe('DKV_CONFLICT');
    expect(asked).toHaveLength(10);
  });

  it('with DKV_NOT_READY, where nothing is agreed on yet', async () => {
    agreed = undefined;
    expect((await rejected(change(leave('a')))).code).toBe('DKV_NOT_READY');
  });

  it('with what became of the write', async () => {
    failure = new DkvError('DKV_TIMEOUT', 'Too late.');
    expect(await rejected(change(leave('a')))).toBe(failure);
  });

  it.each<[string, MembershipChange[], RegExp]>([
    [
      'of a node that is no member',
      [leave('z')],
      /Node z is no member of this cluster: its members are a, b, c\./,
    ],
    ['of weight of a node that is no member', [{ kind: 'weight', nodeId: 'z', weight: 1 }], /no member/],
    ['after which nobody is left', ['a', 'b', 'c'].map(leave), /No member would be left/],
  ])('with DKV_INVALID_ARGUMENT: a change %s', async (_, wanted, message) => {
    const error = await rejected(change(...wanted));
    expect(error.code).toBe('DKV_INVALID_ARGUMENT');
    expect(error.message).toMatch(message);
    expect(asked).toEqual([]);
  });

  it('not where another node is taken in, or one stays after all', async () => {
    expect(await change({ kind: 'join', node: testNode('n') }, ...['a', 'b', 'c'].map(leave))).toBe(2);
    expect(await change(leave('n'), { kind: 'stay', nodeId: 'b' })).toBe(3);
  });
});
