/** A node rids itself of a group, at any moment and across a crash at any step, and keeps what binds its next vote. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memberOf } from '../../testing/simulation/group-facts.js';
import { type TestCluster } from '../../testing/simulation/sim-cluster.js';
import {
  brokenRules,
  groupAt,
  putAll,
  startNodes,
  strongCluster,
  valuesOf,
  wrongVoters,
} from '../../testing/simulation/strong-cluster.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { type Answer } from '../model/node-messages.js';
import { type Configuration, NO_CONFIGURATION } from '../model/raft-messages.js';
import { type GroupState } from '../ports/strong-store.js';
import { type GroupServices } from './group-parts.js';
import { decodeAppliedState } from './group-state-layout.js';
import { NOT_HERE } from './inbound-frames.js';
import { RaftGroup } from '../raft/raft-group.js';
import { type LeftBehind } from './raft-states.js';
import { type RecoveryRounds } from './recovery-rounds.js';
import { type StoredGroup } from './stored-group.js';
import { StrongGroup } from './strong-group.js';
import { type StrongNode } from './strong-node.js';

const KEYS = 12;

/** While it is false, no leader takes in by itself whom a list names: that is another rule's matter. */
const taking = { isOn: true };

type Propose = (this: RaftGroup, next: Configuration) => number | undefined;

interface Inside {
  readonly node: StrongNode;
  readonly services: GroupServices;
  readonly recovery: RecoveryRounds;
  readonly directory: PeerDirectory;
  readonly births: { addGroups(placement: number): void };
}

beforeEach(() => {
  taking.isOn = true;
  const prototype = RaftGroup.prototype as { proposeConfiguration: Propose };
  const { proposeConfiguration } = prototype;
  vi.spyOn(prototype, 'proposeConfiguration').mockImplementation(function (this: RaftGroup, next) {
    const known = this.configuration.voters;
    const takesNobodyIn = [...next.voters, ...next.learners].every((member) => known.includes(member));
    return taking.isOn || takesNobodyIn ? proposeConfiguration.call(this, next) : undefined;
  });
});
afterEach(() => vi.restoreAllMocks());

function insideOf(cluster: TestCluster, nodeId: string): Inside {
  return cluster.node(nodeId).strong as unknown as Inside;
}

function nodeOf(cluster: TestCluster, nodeId: string): StrongNode {
  return insideOf(cluster, nodeId).node;
}

function leaderOf(cluster: TestCluster, number = 0): StrongGroup {
  const leaders = cluster.nodeIds
    .map((nodeId) => nodeOf(cluster, nodeId).groups.get(number))
    .filter((group) => group?.raft.isReady);
  return leaders.sort((one, other) => other!.raft.term - one!.raft.term)[0]!;
}

/** What the leader of the group would tell whoever may give it up. */
function leftBehind(cluster: TestCluster, number = 0): LeftBehind {
  const { applied: index, appliedTerm: term, configuration } = leaderOf(cluster, number).appliedUpTo;
  return { index, term, configuration };
}

function giveUpAtC(cluster: TestCluster, number = 0): Promise<void> {
  return nodeOf(cluster, 'c').giveUp(number, leftBehind(cluster, number));
}

/** Lets so many events happen. */
async function events(cluster: TestCluster, count: number): Promise<void> {
  let left = count;
  await cluster.scheduler.run({ until: () => left-- <= 0 });
}

/** Has such a node lead, and keep that, whoever the preferred leader is. */
async function haveLed(cluster: TestCluster, isFit: (nodeId: string) => boolean): Promise<void> {
  const leader = leaderOf(cluster);
  const wanted = cluster.nodeIds.find(isFit)!;
  if (!leader.raft.isSoleVoter && !isFit(leader.raft.leader!.split('@')[0]!)) {
    nodeOf(cluster, wanted).leadership.stay(0);
    leader.raft.transferTo(memberOf(cluster.node(wanted)));
    const at = cluster.nodeIds.find((nodeId) => nodeOf(cluster, nodeId).groups.get(0) === leader)!;
    nodeOf(cluster, at).wake(leader);
    await cluster.advance(300);
  }
}

/** The committed configuration of the group does without c from now on. */
async function withoutC(cluster: TestCluster): Promise<void> {
  taking.isOn = false;
  await haveLed(cluster, (nodeId) => nodeId !== 'c');
  const { raft } = leaderOf(cluster);
  const { voters } = raft.configuration;
  const c = memberOf(cluster.node('c'));
  const left = voters.filter((voter) => voter !== c);
  expect(raft.proposeConfiguration({ voters: left, outgoing: voters, learners: [] })).toBeDefined();
  nodeOf(cluster, raft.leader!.split('@')[0]!).wake(leaderOf(cluster));
  await cluster.advance(200);
  expect(raft.configuration).toEqual({ voters: left, outgoing: [], learners: [] });
}

/** Writes that nobody waits for. */
function writeSome(cluster: TestCluster, nodeIds: readonly string[], value: string): void {
  for (let key = 0; key < KEYS; key += 2) {
    const { processor } = cluster.node(nodeIds[key % nodeIds.length]!);
    const bytes = new Uint8Array(Buffer.from(`${value}${key}`));
    processor
      .addOrUpdate('default', `k${key}`, bytes, { level: 'quorum', timeoutMs: 5_000, ttlMs: 0 })
      .catch(() => undefined);
  }
}

/** Starts c, and gives what it found of the group. */
async function foundByC(cluster: TestCluster): Promise<StoredGroup> {
  const node = cluster.node('c');
  startNodes(cluster, ['c']);
  await cluster.scheduler.run({ until: () => (node.strong as unknown) !== undefined });
  return node.storage.groups.get(0)!;
}

function hardStateAt(cluster: TestCluster, nodeId: string) {
  const { generation, raft } = groupAt(cluster, nodeId);
  return { generation, term: raft.term, vote: raft.vote };
}

async function recordsAt(cluster: TestCluster, nodeId: string): Promise<number> {
  const page = await cluster.settle(cluster.node(nodeId).storage.strong.scan(0, undefined, 1e6));
  return page.records.length;
}

/** Whether a member that begins with `stored` votes for one whose log ends there. */
function votesFor(cluster: TestCluster, stored: StoredGroup, lastIndex: number, lastTerm: number): boolean {
  const { raft } = new StrongGroup(0, insideOf(cluster, 'c').services, stored, NO_CONFIGURATION);
  const term = Math.max(raft.term, lastTerm) + 1;
  raft.step(memberOf(cluster.node('a')), { type: 'vote', term, lastIndex, lastTerm, transfer: true });
  return raft
    .takeOutput({ announceCommit: false })
    .durableMessages.some(({ message }) => message.type === 'voteReply' && message.granted);
}

/** That there are no records, at a place that no log of a candidate may end before. */
function expectVoid(cluster: TestCluster, stored: StoredGroup, { index, term }: LeftBehind): void {
  const state = stored.state!;
  const { wholeFrom, term: appliedTerm, configuration } = decodeAppliedState(state.bytes);
  expect(wholeFrom).toBe(Infinity);
  expect(state.applied).toBeGreaterThanOrEqual(index);
  expect(configuration.voters).not.toContain(memberOf(cluster.node('c')));
  expect(votesFor(cluster, stored, index - 1, term)).toBe(false);
  expect(votesFor(cluster, stored, 1e6, term - 1)).toBe(false);
  expect(votesFor(cluster, stored, state.applied, appliedTerm)).toBe(true);
  expect(votesFor(cluster, stored, state.applied + 1, appliedTerm)).toBe(true);
}

/** Nothing but that, the term and the vote: in memory, in store and log, and found by a start. */
async function expectGivenUp(
  cluster: TestCluster,
  hardState: StoredGroup['hardState'],
  left: LeftBehind,
): Promise<void> {
  const { storage } = cluster.node('c');
  const member = memberOf(cluster.node('c'));
  expect(nodeOf(cluster, 'c').groups.find(0)).toBeUndefined();
  expect(await recordsAt(cluster, 'c')).toBe(0);
  const kept = nodeOf(cluster, 'c').givenUp(0)!;
  const { applied } = kept.state!;
  expect(kept).toMatchObject({ hardState, entries: [], resetAt: applied });
  expectVoid(cluster, kept, left);
  await cluster.settle(storage.checkpoint());
  cluster.kill('c');
  const found = await foundByC(cluster);
  expect(found).toMatchObject({ hardState, entries: [], resetAt: applied, generation: kept.generation });
  expect(found.state!.applied).toBe(applied);
  expect(decodeAppliedState(found.state!.bytes)).toEqual(decodeAppliedState(kept.state!.bytes));
  expectVoid(cluster, found, left);
  expect(memberOf(cluster.node('c'))).toBe(member);
}

describe('a crash while a group is given up', () => {
  /** What c has of the group after `count` events of giving it up and a crash, under writes. */
  async function crashAfter(cluster: TestCluster, count: number, losesPower: boolean): Promise<string> {
    await cluster.put('a', 'removed', 'x');
    await cluster.advance(500);
    await cluster.settle(cluster.node('c').storage.checkpoint());
    await withoutC(cluster);
    const { raft } = groupAt(cluster, 'c');
    const stored = cluster.node('c').storage.strong.states.get(0)!.applied;
    const { lastIndex } = raft;
    const hardState = hardStateAt(cluster, 'c');
    expect(hardState.vote).not.toBe('');
    await cluster.remove('a', 'removed');
    const member = memberOf(cluster.node('c'));
    const left = leftBehind(cluster);
    expect(left.index).toBeGreaterThan(lastIndex);
    writeSome(cluster, cluster.nodeIds, `at ${count} `);
    nodeOf(cluster, 'c')
      .giveUp(0, left)
      .catch(() => undefined);
    if (count > 0) {
      await events(cluster, count);
    }
    cluster.kill('c');
    if (losesPower) {
      cluster.node('c').losePower();
    }
    const found = await foundByC(cluster);
    expect(memberOf(cluster.node('c'))).toBe(member);
    expect(found.hardState).toEqual(hardState);
    expect(found.state!.applied).toBeGreaterThanOrEqual(stored);
    const outcome = await outcomeOf(cluster, found, lastIndex, left);
    if (count % 2 === 0) {
      const again = leftBehind(cluster);
      await cluster.settle(nodeOf(cluster, 'c').giveUp(0, again));
      await expectGivenUp(cluster, hardState, again);
    }
    return outcome;
  }

  async function outcomeOf(
    cluster: TestCluster,
    found: StoredGroup,
    lastIndex: number,
    left: LeftBehind,
  ): Promise<string> {
    const records = await recordsAt(cluster, 'c');
    if (decodeAppliedState(found.state!.bytes).wholeFrom < Infinity) {
      expect(records).toBe(KEYS + 1);
      expect(found.entries.at(-1)!.index).toBe(lastIndex);
      return 'there';
    }
    expectVoid(cluster, found, left);
    const group = nodeOf(cluster, 'c').groups.get(0)!;
    expect([group.isWhole, group.mayLead, group.mayServe]).toEqual([false, false, false]);
    return found.entries.length + records > 0 ? 'void, with left-overs' : 'void';
  }

  it.each([
    ['of the process', 'wal', false],
    ['of the machine', 'fsync', true],
  ] as const)('%s leaves it as it was, or void, whenever it comes', async (_of, durability, losesPower) => {
    const cluster = await strongCluster(3, { partitions: 1, durability });
    await putAll(cluster, 'first');
    const outcomes: string[] = [];
    // Until it is done in any case.
    for (let count = 0; outcomes.slice(-4).join() !== 'void,void,void,void'; count++) {
      outcomes.push(await crashAfter(cluster, count, losesPower));
      taking.isOn = true;
      const member = memberOf(cluster.node('c'));
      await cluster.advance(6_000);
      expect(wrongVoters(cluster)).toEqual([]);
      expect(brokenRules(cluster)).toEqual([]);
      expect(memberOf(cluster.node('c'))).toBe(member);
      expect(await recordsAt(cluster, 'c')).toBe(KEYS);
      expect(await cluster.get('c', 'removed')).toBeUndefined();
      await putAll(cluster, `${count}`);
      expect(await valuesOf(cluster)).toEqual([`${count}`]);
    }
    expect(new Set(outcomes)).toEqual(new Set(['there', 'void, with left-overs', 'void']));
    expect(outcomes[0]).toBe('there');
  });
});

describe('a group that is given up', () => {
  it('takes part in nothing from the call on, though the others count on it', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    await putAll(cluster, 'first');
    taking.isOn = false;
    await haveLed(cluster, (nodeId) => nodeId !== 'c');
    const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).raft.role === 'leader')!;
    const other = cluster.nodeIds.find((nodeId) => nodeId !== leader && nodeId !== 'c')!;
    writeSome(cluster, cluster.nodeIds, 'second');
    await events(cluster, 5);
    const node = nodeOf(cluster, 'c');
    const said = vi.spyOn(node.outbox, 'add');
    const givenUp = giveUpAtC(cluster);
    expect(node.groups.get(0)).toBeUndefined();
    expect(node.groups.partitions().length).toBe(0);
    cluster.kill(leader);
    await cluster.settle(givenUp);
    await cluster.advance(10_000);
    const kinds = new Set(said.mock.calls.map(([, { kind }]) => kind));
    ['raft', 'fetch', 'page', 'answer', 'recoverReport'].forEach((kind) => expect(kinds).not.toContain(kind));
    // It is one of two voters that are left: without its vote nobody leads.
    expect(groupAt(cluster, other).raft.leader).toBeUndefined();
    expect(node.leadership.ledGroups).toEqual([]);
  });

  it('that was led here has its callers ask elsewhere at once', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    await putAll(cluster, 'first');
    taking.isOn = false;
    await haveLed(cluster, (nodeId) => nodeId === 'c');
    cluster.partition(['c'], ['a', 'b']);
    const node = nodeOf(cluster, 'c');
    const group = groupAt(cluster, 'c');
    const answers: [number, Answer][] = [];
    const asker = { answer: (slot: number, answer: Answer) => void answers.push([slot, answer]) };
    const request = { nodeId: 'x', session: 1, number: 1, lowestUnanswered: 1 };
    const write = {
      namespace: 'default',
      key: 'k0',
      kind: 'put',
      value: Buffer.from('x'),
      ttlMs: 0,
    } as const;
    node.ask('c', 1, 0, { type: 'write', request, write }, asker);
    const floor = { generation: 0, index: 0 };
    const read = { type: 'read', namespace: 'default', key: 'k0', linearizable: true, floor } as const;
    node.ask('c', 2, 0, read, asker);
    const above = { generation: group.generation, index: group.applied + 100 };
    node.ask('c', 3, 0, { ...read, linearizable: false, floor: above }, asker);
    await cluster.advance(50);
    expect(answers).toEqual([]);
    const givenUp = giveUpAtC(cluster);
    expect(answers.sort(([one], [other]) => one - other)).toEqual([
      [1, NOT_HERE],
      [2, NOT_HERE],
      [3, NOT_HERE],
    ]);
    node.ask('c', 4, 0, read, asker);
    expect(answers[3]).toEqual([4, NOT_HERE]);
    cluster.heal();
    await cluster.settle(givenUp);
    // Callers of this node find the one that leads then.
    await cluster.put('c', 'k0', 'second0');
    expect(await cluster.get('c', 'k0', { level: 'linearizable' })).toBe('second0');
    expect(await cluster.get('c', 'k0')).toBe('second0');
  });

  it('says nothing of what it has to a recovery that asked before', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    await putAll(cluster, 'first');
    taking.isOn = false;
    await haveLed(cluster, (nodeId) => nodeId !== 'c');
    cluster.partition(['c'], ['a', 'b']);
    await cluster.advance(3_000);
    const { node, recovery, directory } = insideOf(cluster, 'c');
    const said = vi.spyOn(node.outbox, 'add');
    recovery.asked(directory.find('a')!, { kind: 'recoverAsk', group: 0, generation: 2 });
    expect(groupAt(cluster, 'c').isPromised).toBe(true);
    await cluster.settle(giveUpAtC(cluster));
    await cluster.advance(1_000);
    expect(said.mock.calls.filter(([, { kind }]) => kind === 'recoverReport')).toEqual([]);
    // It binds whoever is taken in again.
    expect(recovery.promisedIn(0)).toBe(2);
  });

  it('holds no segment of the log, and is void in checkpoints', async () => {
    const cluster = await strongCluster(3, {
      storage: { segmentBytesMax: 4_096, checkpointIntervalMs: 1_000 },
    });
    await putAll(cluster, 'first');
    const { storage } = cluster.node('c');
    const key = cluster.keyWhere((list) => list !== cluster.ring.preferenceList(0));
    taking.isOn = false;
    // What no checkpoint has, and never will.
    cluster.partition(['c'], ['a', 'b']);
    const asked = cluster.ring.partitionOf(key);
    const others = nodeOf(cluster, 'c')
      .groups.values()
      .filter(({ number }) => number !== asked);
    for (const { number } of [...others]) {
      await cluster.settle(giveUpAtC(cluster, number));
    }
    cluster.heal();
    let most = 0;
    for (let round = 0; round < 8; round++) {
      for (let count = 0; count < 4; count++) {
        await cluster.put('a', key, 'y'.repeat(1_500));
      }
      await cluster.advance(2_000);
      most = Math.max(most, storage.log.bytes);
      expect(storage.log.pinnedGroups().filter((number) => number !== asked)).toEqual([]);
    }
    expect(most).toBeLessThan(40_000);
    const isVoid = ({ bytes }: GroupState) => decodeAppliedState(bytes).wholeFrom === Infinity;
    const whole = [...storage.strong.states].filter(([, state]) => !isVoid(state));
    expect(whole.map(([number]) => number)).toEqual([asked]);
    expect(storage.strong.states.size).toBe(others.length + 1);
  });

  it('stays out where the disk refuses, until it is given up again', async () => {
    const cluster = await strongCluster(3, { partitions: 1, storage: { reserveBytes: 0 } });
    await putAll(cluster, 'first');
    await withoutC(cluster);
    const hardState = hardStateAt(cluster, 'c');
    const { folder, storage } = cluster.node('c');
    folder.setFaults({ capacityBytes: folder.bytes });
    const node = nodeOf(cluster, 'c');
    const left = leftBehind(cluster);
    const first = node.giveUp(0, left);
    expect(node.giveUp(0, left)).toBe(first);
    await expect(cluster.settle(first)).rejects.toMatchObject({ code: 'DKV_STORAGE_FAILED' });
    await expect(cluster.settle(node.giveUp(0, left))).rejects.toMatchObject({ code: 'DKV_READ_ONLY' });
    expect(node.groups.get(0)).toBeUndefined();
    expect(node.groups.find(0)?.isSuspended).toBe(true);
    expect(node.givenUp(0)).toBeUndefined();
    folder.setFaults({ capacityBytes: Infinity });
    await cluster.advance(3_000);
    // Its state as it is now: void, and the same number has not come back by itself.
    await cluster.settle(storage.checkpoint());
    await cluster.settle(node.giveUp(0, left));
    await cluster.settle(node.giveUp(0, left));
    await expectGivenUp(cluster, hardState, left);
  });

  it('while its snapshot is fetched ends that, whenever it comes', async () => {
    const cluster = await strongCluster(3, { partitions: 1, strongLimits: { snapshotPageBytes: 1 } });
    await putAll(cluster, 'first');
    const fetched: boolean[] = [];
    for (let count = 0; count < 40; count++) {
      await withoutC(cluster);
      const hardState = hardStateAt(cluster, 'c');
      const node = nodeOf(cluster, 'c');
      const group = groupAt(cluster, 'c');
      node.snapshots.fetch(group, memberOf(cluster.node('a')));
      await events(cluster, 4 * count);
      fetched.push(!group.isFetching);
      const left = leftBehind(cluster);
      const said = vi.spyOn(node.outbox, 'add');
      const { strong } = cluster.node('c').storage;
      const clear = strong.clear.bind(strong);
      const clearing = vi.spyOn(strong, 'clear').mockImplementation((number) => {
        expect(node.snapshots.isFetching(number)).toBe(false);
        return clear(number);
      });
      await cluster.settle(node.giveUp(0, left));
      expect(clearing).toHaveBeenCalledTimes(1);
      expect(said.mock.calls.filter(([, { kind }]) => kind === 'fetch')).toEqual([]);
      await expectGivenUp(cluster, hardState, left);
      taking.isOn = true;
      await cluster.advance(5_000);
      expect(wrongVoters(cluster)).toEqual([]);
    }
    expect(new Set(fetched)).toEqual(new Set([true, false]));
  });
});

it('a vote that was not written yet is, with the rest', async () => {
  const cluster = await strongCluster(3, { partitions: 1 });
  await putAll(cluster, 'first');
  await withoutC(cluster);
  const { raft, generation } = groupAt(cluster, 'c');
  const term = raft.term + 1;
  const vote = memberOf(cluster.node('b'));
  const asked = { type: 'vote', term, lastIndex: 1e6, lastTerm: raft.term, transfer: true } as const;
  raft.step(vote, asked);
  expect([raft.term, raft.vote]).toEqual([term, vote]);
  const left = leftBehind(cluster);
  await cluster.settle(giveUpAtC(cluster));
  await expectGivenUp(cluster, { generation, term, vote }, left);
});

describe('a group that is taken in again', () => {
  it('votes for nobody else in its term, and fetches a snapshot as a learner', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    await putAll(cluster, 'first');
    await withoutC(cluster);
    const { node, births } = insideOf(cluster, 'c');
    const before = hardStateAt(cluster, 'c');
    const left = leftBehind(cluster);
    await cluster.settle(node.giveUp(0, left));
    expect(node.groups.find(0)).toBeUndefined();
    const leader = leaderOf(cluster);
    leader.raft.compact(leader.applied);
    births.addGroups(0);
    expect(node.givenUp(0)).toBeUndefined();
    const group = groupAt(cluster, 'c');
    expect([group.isWhole, group.applied, group.raft.lastIndex]).toEqual([false, left.index, left.index]);
    expect([group.raft.term, group.raft.vote, group.generation]).toEqual([
      before.term,
      before.vote,
      before.generation,
    ]);
    const rival = ['a', 'b']
      .map((nodeId) => memberOf(cluster.node(nodeId)))
      .find((one) => one !== before.vote)!;
    const vote = { type: 'vote', term: before.term, lastIndex: 1e6, lastTerm: before.term } as const;
    group.raft.step(rival, { ...vote, transfer: false });
    const { durableMessages } = group.raft.takeOutput({ announceCommit: false });
    expect(durableMessages).toEqual([
      { to: rival, message: { type: 'voteReply', term: before.term, granted: false } },
    ]);
    const { voters } = leader.raft.configuration;
    const c = memberOf(cluster.node('c'));
    taking.isOn = true;
    expect(leader.raft.proposeConfiguration({ voters, outgoing: [], learners: [c] })).toBeDefined();
    taking.isOn = false;
    nodeOf(cluster, leader.raft.leader!.split('@')[0]!).wake(leader);
    const fetch = vi.spyOn(node.snapshots, 'fetch');
    await cluster.advance(3_000);
    expect(fetch).toHaveBeenCalled();
    expect([group.isWhole, group.applied, group.raft.isVoter]).toEqual([true, leader.applied, false]);
    expect(await recordsAt(cluster, 'c')).toBe(KEYS);
    taking.isOn = true;
    await cluster.advance(3_000);
    expect(wrongVoters(cluster)).toEqual([]);
    await putAll(cluster, 'again');
    expect(await valuesOf(cluster)).toEqual(['again']);
    // And once more, as any other.
    await withoutC(cluster);
    const hardState = hardStateAt(cluster, 'c');
    const leftAgain = leftBehind(cluster);
    await cluster.settle(node.giveUp(0, leftAgain));
    await expectGivenUp(cluster, hardState, leftAgain);
  });
});

it('what is said of an older configuration takes it back to no earlier place', async () => {
  const cluster = await strongCluster(3, { partitions: 1 });
  await putAll(cluster, 'first');
  const old = leftBehind(cluster);
  await putAll(cluster, 'second');
  await cluster.advance(500);
  await withoutC(cluster);
  const { applied, appliedUpTo } = groupAt(cluster, 'c');
  expect(applied).toBeGreaterThan(old.index);
  await cluster.settle(nodeOf(cluster, 'c').giveUp(0, old));
  const { state } = nodeOf(cluster, 'c').givenUp(0)!;
  expect(state!.applied).toBe(applied);
  expect(decodeAppliedState(state!.bytes)).toMatchObject({ term: appliedUpTo.appliedTerm });
});
