/** Leases in whole clusters: what a read costs with one, and that nobody is helped into office as long as one may last. */
import { beforeEach, describe, expect, it } from 'vitest';
import { holdsLease } from '../../testing/simulation/lease-witness.js';
import { type TestCluster, type TestClusterOptions } from '../../testing/simulation/sim-cluster.js';
import { memberOf } from '../../testing/simulation/group-facts.js';
import { forget, groupAt, startNodes, strongCluster } from '../../testing/simulation/strong-cluster.js';
import { type NodeMessage } from '../model/node-messages.js';
import { leaseMsOf } from './read-leases.js';
import { type RecoveryRounds } from './recovery-rounds.js';

const READ = { level: 'linearizable' } as const;
const WAIT_MS = 1_000;
const LEASE_MS = leaseMsOf(WAIT_MS);

let cluster: TestCluster;
let leader: string;
let voters: [string, string];

/** One group, whose leader has been chosen long ago. */
async function begin(leaseReads: boolean, options: TestClusterOptions = {}): Promise<void> {
  cluster = await strongCluster(3, { partitions: 1, ...options, strongLimits: { leaseReads } });
  await cluster.advance(3_000);
  leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
  voters = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
  await cluster.put(leader, 'k', 'old');
}

beforeEach(() => begin(true));

/** What a node says to others from now on, of these kinds. */
function said(nodeId: string, ...kinds: NodeMessage['kind'][]): string[] {
  const { strong } = cluster.node(nodeId);
  const { node } = strong as unknown as { node: { say(to: string, message: NodeMessage): void } };
  const say = node.say.bind(node);
  const messages: string[] = [];
  node.say = (to, message) => {
    if (kinds.includes(message.kind)) {
      messages.push(`${message.kind} ${to}`);
    }
    say(to, message);
  };
  return messages;
}

/** The partition is on its way from the leader's node alone to all that vote, as everybody has it. */
function listLeaderAlone(): void {
  for (const nodeId of cluster.nodeIds) {
    const { view } = cluster.node(nodeId);
    const { agreed } = view;
    const epoch = agreed.epoch + 1;
    const lists = agreed.lists.map((list, place) => (place === 0 ? [leader] : list));
    view.adopt({
      ...agreed,
      epoch,
      lists,
      target: agreed.lists,
      moving: [{ place: 0, since: epoch, also: [] }],
    });
  }
}

function isLedByAnother(): boolean {
  return voters.some((nodeId) => groupAt(cluster, nodeId)?.raft.role === 'leader');
}

/** When another than `leader` leads, from now. */
async function anotherLeadsAfter(msMax: number): Promise<number> {
  const fromMs = cluster.scheduler.nowMs;
  while (!isLedByAnother() && cluster.scheduler.nowMs - fromMs < msMax) {
    await cluster.advance(5);
  }
  return cluster.scheduler.nowMs - fromMs;
}

/** Nothing passes between the leader and the others any more; these see their connections close. */
function cutOffLeader(): void {
  cluster.partition([leader], voters);
  cluster.network.posts.reset(leader);
}

describe('a linearizable read', () => {
  it.each([
    [false, 100, 200],
    [true, 1, 2],
  ])('with leases %s: 100 of them in 100 ms take %i rounds to two peers', async (leaseReads, _, messages) => {
    await begin(leaseReads);
    const asked = said(leader, 'confirm');
    for (let count = 0; count < 100; count++) {
      expect(await cluster.get(leader, 'k', READ)).toBe('old');
      await cluster.advance(1);
    }
    expect(asked.length).toBe(messages);
  });

  it('of another node is asked of the leader, and needs no round there', async () => {
    await cluster.get(leader, 'k', READ);
    const asked = said(leader, 'confirm');
    expect(await cluster.get(voters[0], 'k', READ)).toBe('old');
    expect(asked).toEqual([]);
  });

  it('holds back who granted its lease, also where the list has one node and more vote', async () => {
    listLeaderAlone();
    expect(groupAt(cluster, voters[0]).list).toEqual([leader]);
    await cluster.get(leader, 'k', READ);
    // Only one of them had to answer for that.
    await cluster.advance(50);
    expect(voters.map((nodeId) => groupAt(cluster, nodeId).raft.isHeldBack)).toEqual([true, true]);
  });

  it('is answered by a leader that is cut off until its lease is over, and not a moment longer', async () => {
    await cluster.get(leader, 'k', READ);
    const atMs = cluster.scheduler.nowMs;
    cluster.partition([leader], voters);
    await cluster.advance(LEASE_MS - 10);
    expect(await cluster.get(leader, 'k', READ)).toBe('old');
    await cluster.advance(10 - (cluster.scheduler.nowMs - atMs - (LEASE_MS - 10)));
    await expect(cluster.get(leader, 'k', { ...READ, timeoutMs: 300 })).rejects.toThrow();
  });

  it('sees what was written right before it, at whichever node', async () => {
    for (let count = 0; count < 20; count++) {
      await cluster.put(voters[count % 2]!, 'k', `${count}`);
      expect(await cluster.get(voters[(count + 1) % 2]!, 'k', READ)).toBe(`${count}`);
    }
  });

  it('is renewed as long as there are reads: none waits for a round', async () => {
    await cluster.get(leader, 'k', READ);
    const fromMs = cluster.scheduler.nowMs;
    const asked = said(leader, 'confirm');
    while (cluster.scheduler.nowMs - fromMs < 5_000) {
      expect(holdsLease(cluster.node(leader))).toBe(true);
      await cluster.get(leader, 'k', READ);
      await cluster.advance(10);
    }
    // About two rounds a second, to two peers.
    expect(asked.length).toBeLessThan(30);
  });
});

describe('as long as a lease may last', () => {
  it('nobody else leads though the connections to the leader have closed; soon after it somebody does', async () => {
    await cluster.get(leader, 'k', READ);
    cutOffLeader();
    const tookMs = await anotherLeadsAfter(3_000);
    expect(tookMs).toBeGreaterThanOrEqual(WAIT_MS - 5);
    expect(tookMs).toBeLessThan(WAIT_MS + 300);
  });

  it('a group that nobody has read is led by another as soon as ever', async () => {
    await cluster.advance(2 * WAIT_MS);
    cutOffLeader();
    expect(await anotherLeadsAfter(3_000)).toBeLessThan(500);
  });

  it('nobody else leads though the voters have started again meanwhile, and know nothing of it', async () => {
    await cluster.get(leader, 'k', READ);
    const atMs = cluster.scheduler.nowMs;
    cluster.partition([leader], voters);
    voters.forEach((nodeId) => cluster.kill(nodeId));
    startNodes(cluster, voters);
    await cluster.advance(20);
    await anotherLeadsAfter(5_000);
    expect(cluster.scheduler.nowMs - atMs).toBeGreaterThanOrEqual(WAIT_MS);
    expect(isLedByAnother()).toBe(true);
  });

  it('a voter that has just started confirms no leader either', async () => {
    const [one, other] = voters;
    cluster.kill(other);
    cluster.kill(one);
    const startedMs = cluster.scheduler.nowMs;
    startNodes(cluster, [one]);
    await cluster.advance(20);
    expect(await cluster.get(leader, 'k', { ...READ, timeoutMs: 8_000 })).toBe('old');
    expect(cluster.scheduler.nowMs - startedMs).toBeGreaterThanOrEqual(WAIT_MS);
  });

  it('no voter promises a recovery', async () => {
    await cluster.get(leader, 'k', READ);
    const [voter, asker] = voters;
    cluster.partition([leader], voters);
    groupAt(cluster, voter).raft.leaderLost();
    const { strong } = cluster.node(voter);
    const { recovery, directory } = strong as unknown as {
      recovery: RecoveryRounds;
      directory: { find(nodeId: string): Parameters<RecoveryRounds['asked']>[0] };
    };
    const ask = () => recovery.asked(directory.find(asker), { kind: 'recoverAsk', group: 0, generation: 2 });
    ask();
    expect(groupAt(cluster, voter).isPromised).toBe(false);
    await cluster.advance(WAIT_MS - 100);
    groupAt(cluster, voter).raft.leaderLost();
    ask();
    expect(groupAt(cluster, voter).isPromised).toBe(false);
    await cluster.advance(110);
    groupAt(cluster, voter).raft.leaderLost();
    ask();
    expect(groupAt(cluster, voter).isPromised).toBe(true);
  });

  it('a voter that becomes another incarnation keeps out, too', async () => {
    await cluster.get(leader, 'k', READ);
    const atMs = cluster.scheduler.nowMs;
    const [voter] = voters;
    const before = memberOf(cluster.node(voter));
    cutOffLeader();
    forget(cluster, voter);
    await cluster.advance(100);
    expect(memberOf(cluster.node(voter))).not.toBe(before);
    const { raft } = groupAt(cluster, voter);
    expect(raft.isHeldBack).toBe(true);
    await cluster.advance(WAIT_MS - (cluster.scheduler.nowMs - atMs) + 10);
    expect(raft.isHeldBack).toBe(false);
  });
});

describe('a leadership that is handed on', () => {
  it('takes no longer for a lease, which is given up first and never comes back in the term', async () => {
    await cluster.get(leader, 'k', READ);
    expect(holdsLease(cluster.node(leader))).toBe(true);
    const [successor] = voters;
    const { raft } = groupAt(cluster, leader);
    const { term } = raft;
    // The question reaches nobody, so the leader goes on.
    cluster.network.cut(leader, successor);
    raft.transferTo(memberOf(cluster.node(successor)));
    await cluster.advance(900);
    cluster.heal();
    expect([raft.role, raft.term]).toEqual(['leader', term]);
    await cluster.get(leader, 'k', READ);
    expect(holdsLease(cluster.node(leader))).toBe(false);
    raft.transferTo(memberOf(cluster.node(successor)));
    expect(await anotherLeadsAfter(1_000)).toBeLessThan(300);
  });

  it('before its node stops: nobody waits', async () => {
    await cluster.get(leader, 'k', READ);
    const fromMs = cluster.scheduler.nowMs;
    await cluster.stop(leader);
    expect(await cluster.get(voters[0], 'k', READ)).toBe('old');
    expect(cluster.scheduler.nowMs - fromMs).toBeLessThan(WAIT_MS / 2);
  });
});

it('a node that has just started is not asked to lead: whoever asks gives up its lease, and it could not', async () => {
  const home = cluster.listOf('k')[0]!;
  expect(leader).toBe(home);
  cluster.kill(home);
  await anotherLeadsAfter(3_000);
  startNodes(cluster, [home]);
  const [acting] = voters.filter((nodeId) => groupAt(cluster, nodeId).raft.role === 'leader');
  const { raft } = groupAt(cluster, acting!);
  await cluster.advance(WAIT_MS - 50);
  expect([raft.role, raft.mayHoldLease]).toEqual(['leader', true]);
  await cluster.advance(2_500);
  expect(groupAt(cluster, home).leads).toBe(true);
});

it('a change of voters takes the lease, and the next round gives one by the new ones', async () => {
  const [voter] = voters;
  await cluster.get(leader, 'k', READ);
  cluster.kill(voter);
  cluster.node(voter).loseDisk();
  startNodes(cluster, [voter]);
  const { raft } = groupAt(cluster, leader);
  const { configuration } = raft;
  while (raft.configuration === configuration) {
    await cluster.get(leader, 'k', READ);
    expect(holdsLease(cluster.node(leader))).toBe(true);
    await cluster.advance(1);
  }
  expect(holdsLease(cluster.node(leader))).toBe(false);
  await cluster.advance(5_000);
  expect(raft.configuration.voters).toContain(memberOf(cluster.node(voter)));
  await cluster.get(leader, 'k', READ);
  expect(holdsLease(cluster.node(leader))).toBe(true);
});

it('a single node reads without waiting for anybody, also right after its start', async () => {
  cluster = await strongCluster(1, { partitions: 1, strongLimits: { leaseReads: true } });
  await cluster.put('a', 'k', 'v');
  cluster.kill('a');
  const fromMs = cluster.scheduler.nowMs;
  await cluster.start('a');
  expect(await cluster.get('a', 'k', READ)).toBe('v');
  expect(cluster.scheduler.nowMs - fromMs).toBeLessThan(WAIT_MS);
});
