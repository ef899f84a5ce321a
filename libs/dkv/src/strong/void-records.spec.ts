/** Records that are void, a log that goes on without them, and snapshots that end at an awkward moment: rules 13 and 22. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { groupsOf, memberOf } from '../../testing/simulation/group-facts.js';
import {
  blackout,
  forget,
  groupAt,
  putAll,
  startNodes,
  strongCluster,
  valuesOf,
  wrongVoters,
} from '../../testing/simulation/strong-cluster.js';
import { type MemberId } from '../model/raft-messages.js';
import { RaftGroup } from '../raft/raft-group.js';
import { Snapshots } from './snapshots.js';
import { StrongGroup } from './strong-group.js';

afterEach(() => vi.restoreAllMocks());

interface Fetching {
  readonly fetch: (this: Snapshots, group: StrongGroup, from: MemberId) => void;
}

/** The first leader has a tail that nobody else has ever heard of, and the others have compacted what it lacks. */
async function withStaleLeader() {
  const cluster = await strongCluster(3, { partitions: 1, storage: { checkpointIntervalMs: 600_000 } });
  await putAll(cluster, 'old');
  const old = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
  const others = cluster.nodeIds.filter((nodeId) => nodeId !== old) as [string, string];
  cluster.partition([old], others);
  const { raft } = groupAt(cluster, old);
  for (let n = 0; n < 40; n++) {
    raft.propose('empty', new Uint8Array(0));
  }
  await cluster.advance(5_000);
  for (let n = 0; n < 5; n++) {
    await cluster.put(others[0], `k${n}`, `new${n}`);
  }
  await cluster.advance(500);
  for (const nodeId of others) {
    const group = groupAt(cluster, nodeId);
    group.raft.compact(group.applied);
  }
  return { cluster, old, others };
}

/** A write that only `old` and one other have acknowledged is there although both of their processes end after it. */
async function expectKept({
  cluster,
  old,
  others,
}: Awaited<ReturnType<typeof withStaleLeader>>): Promise<void> {
  const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
  const [witness, away] = leader === old ? others : [leader, others.find((nodeId) => nodeId !== leader)!];
  cluster.partition([away], [old, witness]);
  await cluster.advance(3_000);
  await cluster.put(witness, 'k0', 'after0');
  await cluster.advance(500);
  cluster.kill(old);
  cluster.kill(witness);
  cluster.heal();
  startNodes(cluster, [old]);
  await cluster.advance(10_000);
  expect(await cluster.get(away, 'k0', { level: 'linearizable' })).toBe('after0');
}

/** The first time that a snapshot's records are in the store. */
function atInstall(then: () => void): void {
  const prototype = StrongGroup.prototype as unknown as Record<'install', (...given: unknown[]) => void>;
  const { install } = prototype;
  let isBegun = false;
  vi.spyOn(prototype, 'install').mockImplementation(function (this: StrongGroup, ...given) {
    install.apply(this, given);
    if (!isBegun) {
      isBegun = true;
      then();
    }
  });
}

describe('a log that begins anew behind a snapshot', () => {
  it('does so on the disk, too, where the node becomes another voter meanwhile', async () => {
    const { cluster, old, others } = await withStaleLeader();
    atInstall(() => forget(cluster, old));
    cluster.heal();
    await cluster.advance(20_000);
    expect(wrongVoters(cluster)).toEqual([]);
    for (let n = 0; n < 3; n++) {
      await cluster.put(others[0], `k${n}`, `after${n}`);
    }
    await cluster.advance(500);
    const { lastIndex, lastTerm } = groupAt(cluster, old).raft;
    cluster.partition([old], others);
    cluster.kill(old);
    startNodes(cluster, [old]);
    await cluster.advance(1_000);
    expect(groupAt(cluster, old).raft).toMatchObject({ lastIndex, lastTerm });
  });

  it('so that nothing that was acknowledged then is lost', async () => {
    const given = await withStaleLeader();
    const { cluster, old } = given;
    atInstall(() => forget(cluster, old));
    cluster.heal();
    await cluster.advance(20_000);
    expect(wrongVoters(cluster)).toEqual([]);
    await expectKept(given);
  });

  it('nor where the process ends after the snapshot is in its store, and before the log begins anew', async () => {
    const given = await withStaleLeader();
    const { cluster, old } = given;
    const restore = vi.spyOn(RaftGroup.prototype, 'restore').mockImplementation(() => {
      restore.mockRestore();
      cluster.kill(old);
    });
    cluster.heal();
    await cluster.advance(5_000);
    expect(cluster.node(old).alive).toBe(false);
    startNodes(cluster, [old]);
    await cluster.advance(10_000);
    expect(wrongVoters(cluster)).toEqual([]);
    await expectKept(given);
  });
});

describe('a member whose records are void', () => {
  it.each([0, 500])(
    'and that alone has the log takes them over where they end before what it had applied, %i ms after the last write',
    async (wait) => {
      const cluster = await strongCluster(3, { partitions: 1 });
      await putAll(cluster, 'old');
      await cluster.advance(60_000);
      cluster.partition(['a'], ['b', 'c']);
      await cluster.advance(5_000);
      await cluster.put('b', 'k0', 'new0');
      await cluster.advance(wait);
      cluster.kill('a');
      cluster.heal();
      cluster.kill('b');
      cluster.node('b').losePower();
      groupAt(cluster, 'c').beginFetching();
      startNodes(cluster, ['a', 'b']);
      await cluster.advance(300_000);
      expect(wrongVoters(cluster)).toEqual([]);
      expect(await cluster.get('a', 'k0', { level: 'linearizable' })).toBe('new0');
    },
  );

  it('tells the one that gives them how much of its log is committed', async () => {
    const cluster = await strongCluster(3, { partitions: 1, storage: { checkpointIntervalMs: 600_000 } });
    await putAll(cluster, 'old');
    await cluster.advance(500);
    const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
    const [lacks, behind] = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
    const { raft, applied } = groupAt(cluster, lacks);
    raft.compact(applied);
    cluster.partition([behind], [leader, lacks]);
    await cluster.put(leader, 'k0', 'new0');
    await cluster.advance(100);
    cluster.kill(leader);
    cluster.node(leader).losePower();
    cluster.kill(behind);
    cluster.heal();
    groupAt(cluster, lacks).beginFetching();
    startNodes(cluster, [leader, behind]);
    await cluster.advance(30_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await cluster.get('a', 'k0', { level: 'linearizable' })).toBe('new0');
  });

  it('is no voter before it has them, although its log goes on', async () => {
    const cluster = await strongCluster(3, { partitions: 1, storage: { checkpointIntervalMs: 600_000 } });
    await putAll(cluster, 'old');
    const receive = vi.spyOn(Snapshots.prototype, 'receive').mockReturnValue();
    const before = memberOf(cluster.node('c'));
    forget(cluster, 'c');
    groupAt(cluster, 'c').beginFetching();
    await cluster.advance(2_000);
    await putAll(cluster, 'new');
    await cluster.advance(10_000);
    expect(groupAt(cluster, 'c').isFetching).toBe(true);
    expect(groupAt(cluster, 'a').raft.configuration).toMatchObject({
      voters: expect.arrayContaining([before]) as unknown,
      learners: [memberOf(cluster.node('c'))],
    });
    receive.mockRestore();
    await cluster.advance(20_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });

  it.each([0, 1, 2])(
    'asks all others in turn where nobody leads, also where one says "not now" (place %i)',
    async (at) => {
      const cluster = await strongCluster(3, { partitions: 1 });
      await putAll(cluster, 'old');
      await cluster.advance(60_000);
      const { list } = groupAt(cluster, 'a');
      const self = list[at]!;
      const asked = new Set<string>();
      const { fetch } = Snapshots.prototype as unknown as Fetching;
      vi.spyOn(Snapshots.prototype, 'fetch').mockImplementation(function (this: Snapshots, group, from) {
        if (group === groupAt(cluster, self)) {
          if (!this.isFetching(0)) {
            asked.add(from);
          }
          fetch.call(this, group, from);
        }
      });
      // None of them has any.
      for (const nodeId of list) {
        const { raft } = groupAt(cluster, nodeId);
        vi.spyOn(raft, 'leader', 'get').mockReturnValue(undefined);
        vi.spyOn(raft, 'heardFrom').mockReturnValue(undefined);
        groupAt(cluster, nodeId).beginFetching();
      }
      await cluster.advance(120_000);
      expect(asked.size).toBe(2);
      const told = cluster.node(self).log.warnings.filter((line) => line.includes('was not fetched'));
      expect(told.length).toBeGreaterThan(0);
      expect(told.length).toBeLessThanOrEqual(12);
    },
  );

  it('takes them over also when it has promised a recovery: nobody else has what was acknowledged', async () => {
    const cluster = await strongCluster(3, { partitions: 1, storage: { checkpointIntervalMs: 600_000 } });
    await putAll(cluster, 'old');
    await cluster.settle(
      Promise.all(cluster.nodeIds.map((nodeId) => cluster.node(nodeId).storage.checkpoint())),
    );
    const [a, b, c] = groupAt(cluster, 'a').list as [string, string, string];
    cluster.partition([b], [a, c]);
    await cluster.advance(5_000);
    await cluster.put(a, 'k0', 'new0');
    blackout(cluster);
    cluster.heal();
    const receive = vi.spyOn(Snapshots.prototype, 'receive').mockReturnValue();
    startNodes(cluster);
    let step = 0;
    cluster.watch(() => {
      if (step === 0 && cluster.nodeIds.every((nodeId) => groupsOf(cluster.node(nodeId))?.get(0))) {
        step = 1;
        forget(cluster, a);
        forget(cluster, b);
        groupAt(cluster, a).beginFetching();
      } else if (step === 1 && groupAt(cluster, a).isPromised) {
        step = 2;
        cluster.kill(c);
        cluster.node(c).losePower();
      }
    });
    await cluster.advance(20_000);
    expect(step).toBe(2);
    receive.mockRestore();
    startNodes(cluster, [c]);
    await cluster.advance(600_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await cluster.get(a, 'k0', { level: 'linearizable' })).toBe('new0');
  });
});

describe('a member that has taken over a snapshot which shows more than is known as committed here', () => {
  /** One follower has one entry more than the other, and is to show nothing before `wholeFrom`; then the leader is gone. */
  async function withoutLeader(wholeFromBehind: number) {
    const cluster = await strongCluster(3, { partitions: 1 });
    await putAll(cluster, 'old');
    await cluster.advance(1_000);
    const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
    const taker = cluster.nodeIds.find((nodeId) => nodeId !== leader)!;
    const group = groupAt(cluster, taker);
    const { term, lastIndex, lastTerm } = group.raft;
    const entry = { term, index: lastIndex + 1, kind: 'empty', data: new Uint8Array(0) } as const;
    const before = { prevIndex: lastIndex, prevTerm: lastTerm, commit: 0, durable: 0, matchedByAll: 0 };
    group.raft.step(memberOf(cluster.node(leader)), { type: 'append', term, ...before, entries: [entry] });
    group.wholeFrom = lastIndex + wholeFromBehind;
    await cluster.advance(1);
    cluster.kill(leader);
    await cluster.advance(5_000);
    return { cluster, group, taker };
  }

  it('leads where its log has all that, since the others cannot', async () => {
    const { cluster, group, taker } = await withoutLeader(1);
    expect([group.leads, group.isWhole]).toEqual([true, true]);
    expect(await cluster.get(taker, 'k0', { level: 'linearizable' })).toBe('old0');
  });

  it('does not where its log ends before', async () => {
    const { group } = await withoutLeader(2);
    expect([group.mayLead, group.raft.role]).toEqual([false, 'follower']);
  });
});
