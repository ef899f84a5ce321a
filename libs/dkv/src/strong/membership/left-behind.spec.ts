/** What a node has of groups that it is no part of, when it starts: what it left behind goes, and binds its votes. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { groupsOf, memberOf } from '../../../testing/simulation/group-facts.js';
import { type TestCluster } from '../../../testing/simulation/sim-cluster.js';
import { putAll, startNodes, strongCluster, valuesOf } from '../../../testing/simulation/strong-cluster.js';
import { CONFIGURATION_GROUP } from '../../model/membership.js';
import { decodeAppliedState } from '../group-state-layout.js';
import { hasCopy } from '../stored-group.js';
import { type ReplicatedStrongMode } from '../strong-mode.js';
import { type StrongNode } from '../strong-node.js';

const STORAGE = { checkpointIntervalMs: 3_600_000, segmentBytesMax: 4_096, logBytesMax: 1e9 };

afterEach(() => vi.restoreAllMocks());

function nodeOf(cluster: TestCluster, nodeId: string): StrongNode {
  return (cluster.node(nodeId).strong as unknown as { readonly node: StrongNode }).node;
}

/** Lets time pass until then. */
async function until(cluster: TestCluster, isSo: () => boolean): Promise<void> {
  for (let look = 0; look < 200 && !isSo(); look++) {
    await cluster.advance(250);
  }
  expect(isSo()).toBe(true);
}

/** The partitions, and the configuration, that the node has a group of and is no part of, as it knows. */
function left(cluster: TestCluster, nodeId: string): number[] {
  const { view } = cluster.node(nodeId);
  return groupsOf(cluster.node(nodeId))!
    .values()
    .map(({ number }) => number)
    .filter((number) => !view.nodesOf(number).includes(nodeId));
}

/** Whether nothing moves any more, as the node knows it. */
function isSettled(cluster: TestCluster, nodeId: string): boolean {
  const { moving, target, lists } = cluster.node(nodeId).view.agreed;
  return moving.length === 0 && target.every((list, place) => list.join() === lists[place]!.join());
}

/** Ends `nodeId` when it goes by a configuration without some of what it has, and has given nothing up. */
async function crashWithLeft(cluster: TestCluster, nodeId: string): Promise<number[]> {
  await until(cluster, () => left(cluster, nodeId).length > 0 && isSettled(cluster, nodeId));
  const numbers = left(cluster, nodeId);
  cluster.kill(nodeId);
  startNodes(cluster, [nodeId]);
  await cluster.scheduler.run({ until: () => (groupsOf(cluster.node(nodeId))?.size ?? 0) > 0 });
  return numbers;
}

/** Nothing is left of these groups but where they were; the next start makes none of them. */
async function expectGone(cluster: TestCluster, nodeId: string, numbers: readonly number[]): Promise<void> {
  const node = cluster.node(nodeId);
  await until(cluster, () => left(cluster, nodeId).length === 0);
  const { strong } = node.storage;
  for (const number of numbers) {
    expect(nodeOf(cluster, nodeId).groups.find(number)).toBeUndefined();
    expect(decodeAppliedState(strong.states.get(number)!.bytes).wholeFrom).toBe(Infinity);
    expect((await cluster.settle(strong.scan(number, undefined, 1e6))).records).toEqual([]);
  }
  cluster.kill(nodeId);
  startNodes(cluster, [nodeId]);
  await cluster.scheduler.run({ until: () => groupsOf(node) !== undefined });
  await cluster.advance(50);
  expect(left(cluster, nodeId)).toEqual([]);
  for (const number of numbers) {
    expect(hasCopy(node.storage.groups.get(number)!)).toBe(false);
  }
}

describe('a node that crashed before it gave up what has moved away', () => {
  it('gives it up after its start, and its log gets shorter', async () => {
    const cluster = await strongCluster(3, { partitions: 8, storage: STORAGE });
    await putAll(cluster, 'x'.repeat(1_000));
    const stay = vi.spyOn(nodeOf(cluster, 'c'), 'giveUp').mockReturnValue(new Promise(() => undefined));
    cluster.add('d');
    startNodes(cluster, ['d']);
    await until(cluster, () => cluster.node('c').view.isMember('d'));
    const numbers = await crashWithLeft(cluster, 'c');
    expect(stay).toHaveBeenCalled();
    expect(left(cluster, 'c').sort()).toEqual([...numbers].sort());
    const { storage } = cluster.node('c');
    await cluster.settle(storage.checkpoint());
    const { bytes } = storage.log;
    expect(storage.log.pinnedGroups().some((number) => numbers.includes(number))).toBe(true);
    await until(cluster, () => left(cluster, 'c').length === 0);
    await putAll(cluster, 'y');
    await cluster.settle(storage.checkpoint());
    await cluster.advance(1_000);
    expect(storage.log.pinnedGroups().filter((number) => numbers.includes(number))).toEqual([]);
    expect(storage.log.bytes).toBeLessThan(bytes);
    await expectGone(cluster, 'c', numbers);
    await until(cluster, () => cluster.node('c').processor.unreadyReason === undefined);
    expect(await valuesOf(cluster)).toEqual(['y']);
  });

  it('does so also where it has left the cluster', async () => {
    const cluster = await strongCluster(4, { partitions: 4, storage: STORAGE });
    await putAll(cluster, 'v');
    vi.spyOn(nodeOf(cluster, 'a'), 'giveUp').mockReturnValue(new Promise(() => undefined));
    const { membership } = cluster.node('b').strong as ReplicatedStrongMode;
    await cluster.settle(membership.change([{ kind: 'leave', nodeId: 'a' }], 5_000));
    await until(cluster, () => !cluster.node('a').view.isMember('a'));
    const numbers = await crashWithLeft(cluster, 'a');
    expect(numbers).toContain(CONFIGURATION_GROUP);
    await expectGone(cluster, 'a', numbers);
    expect(await valuesOf(cluster)).toEqual(['v']);
  });
});

describe('a node that starts beside a cluster', () => {
  it('has no groups that it never had a part in, and keeps those with a vote or entries until it may give them up', async () => {
    const cluster = await strongCluster(3, { partitions: 8, strongLimits: { joinsByItself: false } });
    await putAll(cluster, 'v');
    const d = cluster.add('d');
    startNodes(cluster, ['d']);
    await cluster.scheduler.run({ until: () => (groupsOf(d)?.size ?? 0) > 4 });
    expect(d.view.epoch).toBe(0);
    const made = groupsOf(d)!.values();
    const [voted, written, ...untouched] = made;
    const a = memberOf(cluster.node('a'));
    voted!.raft.step(a, { type: 'vote', term: 1, lastIndex: 1e6, lastTerm: 1, transfer: false });
    const entries = [{ term: 1, index: 1, kind: 'empty', data: new Uint8Array(0) }] as const;
    const append = {
      type: 'append',
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      commit: 0,
      durable: 0,
      matchedByAll: 0,
    } as const;
    written!.raft.step(a, { ...append, entries });
    expect([voted!.raft.vote, written!.raft.lastIndex]).toEqual([a, 1]);
    await cluster.scheduler.run({ until: () => d.view.epoch > 0 });
    const { groups } = nodeOf(cluster, 'd');
    untouched.forEach(({ number }) => expect(groups.find(number)).toBeUndefined());
    expect(groups.values()).toEqual([voted, written]);
    await until(cluster, () => left(cluster, 'd').length === 0);
    expect(nodeOf(cluster, 'd').givenUp(voted!.number)!.hardState).toMatchObject({ term: 1, vote: a });
    expect(nodeOf(cluster, 'd').givenUp(written!.number)!.state!.applied).toBeGreaterThan(1);
    expect(await valuesOf(cluster)).toEqual(['v']);
  });
});
