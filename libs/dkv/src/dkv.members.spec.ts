/** How an application changes the members of its cluster: what is asked of the core, what comes back, and what the reports tell. */
import { beforeEach, describe, expect, it } from 'vitest';
import { administeredMembers } from '../testing/administered-members.js';
import { type CapturedLog } from '../testing/captured-log.js';
import { type FakeMembership } from '../testing/fake-membership.js';
import { testNode } from '../testing/test-nodes.js';
import { withNamespaces } from './cluster/configuration-changes.js';
import { type DkvAdmin } from './dkv.admin.js';

const CANDIDATE = testNode('d', { weight: 3, zone: 'z' });

let log: CapturedLog;
let membership: FakeMembership;
let admin: DkvAdmin;

/** At node a of four, of which one leaves. */
beforeEach(() => {
  ({ log, membership, admin } = administeredMembers(['a', 'b', 'c', 'e'], [CANDIDATE], 'e'));
});

it('the cluster tells of each member whether it stays, what it has, and of who waits to join', async () => {
  const { epoch, members, candidates } = await admin.cluster();
  expect([epoch, candidates]).toEqual([2, [{ ...CANDIDATE, membership: 'candidate' }]]);
  expect(members.map(({ nodeId, membership: state }) => [nodeId, state])).toEqual([
    ['a', 'member'],
    ['b', 'member'],
    ['c', 'member'],
    ['e', 'leaving'],
  ]);
  for (const { partitions, copies } of members) {
    expect(copies.held).toBe(partitions.holder + partitions.replica);
  }
  expect(members[3]).toMatchObject({ nodeId: 'e', copies: { target: 0 } });
  expect(members[3]).not.toHaveProperty('isLeaving');
  expect(members.reduce((sum, { copies }) => sum + copies.target, 0)).toBe(16);
});

it('the moves are those of the configuration that the node knows', async () => {
  membership.begin(2);
  const { epoch, moving, members } = await admin.moves();
  expect([epoch, moving.length, members.map(({ nodeId }) => nodeId)]).toEqual([3, 2, ['a', 'b', 'c', 'e']]);
});

describe('each change', () => {
  it.each<[string, () => Promise<number>, object[]]>([
    ['admit', () => admin.admit('d'), [{ kind: 'join', node: CANDIDATE }]],
    ['decommission', () => admin.decommission('b'), [{ kind: 'leave', nodeId: 'b' }]],
    ['decommission of this node', () => admin.decommission(), [{ kind: 'leave', nodeId: 'a' }]],
    [
      'replace',
      () => admin.replace('b', 'd'),
      [
        { kind: 'join', node: CANDIDATE },
        { kind: 'leave', nodeId: 'b' },
      ],
    ],
    ['keep', () => admin.keep('e'), [{ kind: 'stay', nodeId: 'e' }]],
    ['setWeight', () => admin.setWeight('b', 2), [{ kind: 'weight', nodeId: 'b', weight: 2 }]],
    ['setZone', () => admin.setZone('b', 'y'), [{ kind: 'zone', nodeId: 'b', zone: 'y' }]],
    ['setReplicas', () => admin.setReplicas(2), [{ kind: 'replicas', placement: 0, replicas: 2 }]],
  ])('is asked for within ten seconds and gives its epoch: %s', async (_, ask, changes) => {
    expect(await ask()).toBe(3);
    expect(membership.asked).toEqual([[changes, 10_000]]);
    expect(log.lines).toEqual([expect.stringMatching(/^Members, by the API: .*; agreed on, epoch 3\.$/)]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['admit', () => admin.admit(undefined as never)],
    ['decommission', () => admin.decommission(null as never)],
    ['remove', () => admin.remove(5 as never)],
    ['replace', () => admin.replace('b', undefined as never)],
    ['replace', () => admin.replace(undefined as never, 'd')],
    ['keep', () => admin.keep({} as never)],
    ['setWeight', () => admin.setWeight('b', '2' as never)],
    ['setWeight', () => admin.setWeight(1 as never, 2)],
    ['setZone', () => admin.setZone('b', undefined as never)],
    ['setZone', () => admin.setZone(undefined as never, 'y')],
    ['setReplicas', () => admin.setReplicas('2' as never)],
    ['setReplicas', () => admin.setReplicas(2, null as never)],
  ])('of a wrong type is a TypeError: %s', async (_, ask) => {
    await expect(ask()).rejects.toThrow(TypeError);
    expect(membership.asked).toEqual([]);
  });

  it('of the copies of a namespace is one of its class', async () => {
    const placed = { mode: 'strong', codec: '', merger: '' } as const;
    membership.configuration = withNamespaces(membership.configuration, [
      { name: 'few', placement: 1, ...placed },
      { name: 'as many', placement: 0, ...placed },
    ]);
    await admin.setReplicas(2, 'few');
    expect(membership.asked).toEqual([[[{ kind: 'replicas', placement: 1, replicas: 2 }], 10_000]]);
    await expect(admin.setReplicas(2, 'as many')).rejects.toMatchObject({
      code: 'DKV_INVALID_ARGUMENT',
      message: expect.stringContaining('name no namespace') as string,
    });
    await expect(admin.setReplicas(2, 'none')).rejects.toMatchObject({ code: 'DKV_UNKNOWN_NAMESPACE' });
  });

  it('of the copies of a key is told by the reports, asked for and held', async () => {
    await admin.setReplicas(2);
    expect((await admin.moves()).copies).toEqual({ asked: 3, held: 2 });
    for (let step = 0; step < 20; step++) {
      membership.begin(1_000);
      membership.arrive();
    }
    expect((await admin.moves()).copies).toEqual({ asked: 3, held: 3 });
  });

  it('is refused as the core refuses it: a removal of a node that is not down', async () => {
    await expect(admin.remove('b')).rejects.toMatchObject({ code: 'DKV_INVALID_ARGUMENT' });
  });
});
