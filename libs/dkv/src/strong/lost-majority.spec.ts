/** A majority of a group's incarnations is gone, and those that are left hold all: rule 13, the half that needs nobody. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { groupsOf } from '../../testing/simulation/group-facts.js';
import { type TestCluster } from '../../testing/simulation/sim-cluster.js';
import {
  blackout,
  brokenRules,
  membersOf,
  startNodes,
  strongCluster,
} from '../../testing/simulation/strong-cluster.js';
import { type MemberId } from '../model/raft-messages.js';
import { RaftElection } from '../raft/raft-election.js';

const READ = { level: 'linearizable' } as const;

afterEach(() => vi.restoreAllMocks());

/** Who votes in each group, as the node knows it. */
function votersAt(cluster: TestCluster, nodeId: string): MemberId[][] {
  return groupsOf(cluster.node(nodeId))!
    .partitions()
    .map(({ raft }) => [...raft.configuration.voters].sort());
}

async function clusterWith(size: number, keys: number): Promise<TestCluster> {
  const cluster = await strongCluster(size, { replicas: size - 1 });
  for (let number = 0; number < keys; number++) {
    await cluster.put(cluster.nodeIds[number % size]!, `k${number}`, `v${number}`);
  }
  return cluster;
}

/** They stop without a word and come back with empty folders. */
async function forget(cluster: TestCluster, ...nodeIds: string[]): Promise<void> {
  for (const nodeId of nodeIds) {
    cluster.kill(nodeId);
    cluster.node(nodeId).loseDisk();
  }
  startNodes(cluster, nodeIds);
  await cluster.advance(15_000);
}

describe('of two nodes, one loses its disk', () => {
  it('and is a full voter again, by itself, with all that was acknowledged', async () => {
    const cluster = await clusterWith(2, 12);
    const [, before] = membersOf(cluster, ['a', 'b']).sort();
    await forget(cluster, 'b');
    const now = membersOf(cluster, ['a', 'b']).sort();
    expect(now).not.toContain(before);
    expect(votersAt(cluster, 'a')).toEqual(Array.from({ length: 4 }, () => now));
    expect(votersAt(cluster, 'b')).toEqual(votersAt(cluster, 'a'));
    for (let number = 0; number < 12; number++) {
      expect(await cluster.get('b', `k${number}`, READ)).toBe(`v${number}`);
    }
    await cluster.put('b', 'k0', 'after');
    // Both are needed again: alone, the node with the new disk has what was written with it.
    cluster.kill('a');
    await cluster.advance(5_000);
    expect((await rejected(cluster.get('b', 'k0', READ))).code).toBeDefined();
    await cluster.start('a');
    await cluster.advance(3_000);
    expect(await cluster.get('a', 'k0', READ)).toBe('after');
  });

  it('and loses it again while it is on its way back', async () => {
    const cluster = await clusterWith(2, 6);
    for (const afterMs of [100, 700, 1_500, 2_500]) {
      cluster.kill('b');
      cluster.node('b').loseDisk();
      startNodes(cluster, ['b']);
      await cluster.advance(afterMs);
    }
    await cluster.advance(15_000);
    expect(votersAt(cluster, 'a')).toEqual(
      Array.from({ length: 4 }, () => membersOf(cluster, ['a', 'b']).sort()),
    );
    expect(await cluster.get('b', 'k5', READ)).toBe('v5');
  });

  it('and is waited for as long as it is only silent', async () => {
    const cluster = await clusterWith(2, 1);
    cluster.kill('b');
    await cluster.advance(20_000);
    expect((await rejected(cluster.put('a', 'k0', 'alone'))).code).toBe('DKV_QUORUM_NOT_REACHED');
  });
});

describe('of four nodes with a copy each, two lose their disks at once', () => {
  it('and all four vote again, with all that was acknowledged', async () => {
    const cluster = await clusterWith(4, 20);
    await forget(cluster, 'b', 'd');
    const now = membersOf(cluster, ['a', 'b', 'c', 'd']).sort();
    expect(votersAt(cluster, 'a')).toEqual(Array.from({ length: 4 }, () => now));
    for (let number = 0; number < 20; number++) {
      expect(await cluster.get('d', `k${number}`, READ)).toBe(`v${number}`);
    }
    await cluster.put('b', 'k0', 'after');
    expect(await cluster.get('c', 'k0', READ)).toBe('after');
  });

  it('and of the two that are left, the one that lacks the last write does not lead', async () => {
    const { cluster, key } = await withOneBehind();
    await forget(cluster, 'b', 'd');
    expect(brokenRules(cluster)).toEqual([]);
    expect(await acknowledged(cluster, key)).toBe('new');
  });

  it('three are too many', async () => {
    const cluster = await clusterWith(4, 1);
    await forget(cluster, 'b', 'c', 'd');
    expect((await rejected(cluster.put('a', 'k0', 'alone'))).code).toBe('DKV_QUORUM_NOT_REACHED');
    // Those who can tell it say whom they miss, and what an operator can do.
    const { errors } = cluster.node('a').log;
    const told = errors.filter((line) => line.includes('a majority of the members of 4 partitions'));
    expect(told).toEqual([expect.stringMatching(/missed are b@\w+, c@\w+, d@\w+\..*dkv recover --data-dir/)]);
  });
});

describe('that who lacks a write which was acknowledged never leads, is seen to be due to', () => {
  it.each([
    ['nothing, where all is in order', () => undefined, false],
    ['the longer log having to go on', plantShorterLog, true],
    ['the promise of each that is left', plantNoPromise, true],
  ])('%s', async (_, plant, leads) => {
    const { cluster, key } = await withOneBehind();
    plant();
    const { campaign: original } = RaftElection.prototype as unknown as Standing;
    vi.spyOn(RaftElection.prototype, 'campaign').mockImplementation(function (this: RaftElection, reason) {
      // The one with the longer log does not stand itself: else it would mend what is planted.
      if (!(this as unknown as Standing).options.self.startsWith('c@')) {
        original.call(this, reason);
      }
    });
    await forget(cluster, 'b', 'd');
    const { raft } = groupsOf(cluster.node('a'))!.get(cluster.ring.partitionOf(key))!;
    expect(raft.role === 'leader').toBe(leads);
  });
});

function plantShorterLog(): void {
  vi.spyOn(RaftElection.prototype as unknown as Standing, 'isUpToDate').mockReturnValue(true);
}

function plantNoPromise(): void {
  const { beginVotes: original } = RaftElection.prototype as unknown as Standing;
  vi.spyOn(RaftElection.prototype as unknown as Standing, 'beginVotes').mockImplementation(function (
    this: Standing,
  ) {
    return original.call(this) || this.forced !== undefined;
  });
}

/** What is hidden of a member that stands for election. */
interface Standing {
  readonly options: { readonly self: MemberId };
  readonly forced: object | undefined;
  isUpToDate(lastTerm: number, lastIndex: number): boolean;
  readonly beginVotes: (this: Standing) => boolean;
  readonly campaign: (this: RaftElection, reason: 'silence' | 'transfer' | 'single') => void;
}

/** What is left of a write that was acknowledged: nothing where nobody can read it, with all nodes there. */
async function acknowledged(cluster: TestCluster, key: string): Promise<string | undefined> {
  return cluster.get('d', key, READ).catch(() => undefined);
}

/** `key` was written while `a`, the preferred leader of its group, was cut off; then all four stopped. */
async function withOneBehind(): Promise<{ readonly cluster: TestCluster; readonly key: string }> {
  const cluster = await clusterWith(4, 0);
  const key = cluster.keyWhere(([holder]) => holder === 'a');
  await cluster.put('a', key, 'old');
  cluster.partition(['a'], ['b', 'c', 'd']);
  await cluster.advance(5_000);
  await cluster.put('c', key, 'new');
  blackout(cluster);
  cluster.heal();
  startNodes(cluster, ['a', 'c']);
  return { cluster, key };
}
