/** What an operator asks of a cluster, from real nodes on virtual time: whole, with a node gone, with copies that differ. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { groupsOf } from '../../testing/simulation/group-facts.js';
import {
  createTestCluster,
  type TestCluster,
  type TestClusterOptions,
} from '../../testing/simulation/sim-cluster.js';
import { type Explanation, type PartitionReport } from '../model/cluster-report.js';
import { GROUPS_PER_ANSWER_MAX } from '../model/peer-protocol.js';

const PARTITIONS = 4;
const MINUTE_MS = 60_000;

let cluster: TestCluster;

async function start(size: number, options: TestClusterOptions = {}): Promise<void> {
  cluster = createTestCluster(size, { mode: 'strong', partitions: PARTITIONS, ...options });
  await cluster.start();
  await cluster.advance(2_000);
}

const administrationOf = (nodeId: string) => cluster.node(nodeId).processor.administration;
const explain = (nodeId: string, key: string, namespace = 'default'): Promise<Explanation> =>
  cluster.settle(administrationOf(nodeId).explain(namespace, key));
const partitions = (nodeId: string): Promise<readonly PartitionReport[]> =>
  cluster.settle(administrationOf(nodeId).partitions());
const transfer = (asked: string, group: number, nodeId: string, timeoutMs = 5_000): Promise<void> =>
  cluster.settle(administrationOf(asked).transferLeadership(group, nodeId, timeoutMs));
const raftAt = (nodeId: string, group: number) => groupsOf(cluster.node(nodeId))!.get(group)!.raft;
const leadersOf = (group: number) =>
  cluster.nodeIds.filter((nodeId) => cluster.node(nodeId).alive && raftAt(nodeId, group).role === 'leader');

describe('a strong key', () => {
  beforeEach(() => start(3));

  it('is the same at all of its nodes, whichever is asked', async () => {
    const { version } = await cluster.put('a', 'k', 'value');
    await cluster.advance(1_000);
    for (const nodeId of cluster.nodeIds) {
      const told = await explain(nodeId, 'k');
      const group = cluster.ring.partitionOf('k');
      const list = cluster.listOf('k');
      expect(told).toMatchObject({
        namespace: 'default',
        key: 'k',
        mode: 'strong',
        group,
        list,
        findings: [],
      });
      expect(told).toMatchObject({
        partition: group,
        hash: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
      });
      expect([told.leader]).toEqual(leadersOf(group));
      expect(told.copies.map((copy) => copy.nodeId)).toEqual(list);
      const { digest, ...record } = told.copies[0]!.record!;
      expect(digest).toMatch(/^[0-9a-f]{8}$/);
      expect(record).toEqual({ version, valueBytes: 5, expiresAtMs: 0, isTombstone: false });
      for (const copy of told.copies) {
        expect(copy.record).toEqual({ ...record, digest });
        expect(copy.group).toMatchObject({ nodeId: copy.nodeId, generation: 1 });
        expect(copy.group!.applied).toBe(raftAt(copy.nodeId, group).commit);
        expect(copy).not.toHaveProperty('hintBytes');
      }
      expect(told.copies.filter((copy) => copy.group!.role === 'leader')).toHaveLength(1);
    }
  });

  it('that was never written has no record anywhere', async () => {
    const { copies, findings } = await explain('b', 'nothing');
    expect(copies.map((copy) => [copy.record, copy.error])).toEqual(Array(3).fill([undefined, undefined]));
    expect(findings).toEqual([]);
  });

  it('has an error in the place of a node that is gone', async () => {
    await cluster.put('a', 'k', 'value');
    await cluster.advance(1_000);
    cluster.kill('c');
    const { copies, findings } = await explain('a', 'k');
    const gone = copies.find(({ nodeId }) => nodeId === 'c')!;
    expect(gone).toEqual({ nodeId: 'c', error: expect.stringContaining('c') as string });
    expect(copies.filter(({ record }) => record !== undefined)).toHaveLength(2);
    expect(findings).toEqual([]);
  });

  it('has an error in the place of a node that hears and does not answer', async () => {
    await cluster.put('a', 'k', 'value');
    cluster.node('b').pause(MINUTE_MS);
    const { copies } = await explain('a', 'k');
    expect(copies.filter(({ error }) => error !== undefined).map(({ nodeId }) => nodeId)).toEqual(['b']);
  });

  it('that differs where it was applied equally far is found, with what each node has', async () => {
    await cluster.put('a', 'k', 'value');
    await cluster.advance(1_000);
    const group = cluster.ring.partitionOf('k');
    const { strong } = cluster.node('b').storage;
    const record = (await cluster.settle(strong.read(group, 'default', 'k')))!;
    strong.put(group, 'default', 'k', { ...record, value: Buffer.from('other') });
    const { findings, copies } = await explain('a', 'k');
    expect(new Set(copies.map((copy) => copy.record!.version)).size).toBe(1);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatch(
      /^The copies differ, applied up to \d+ of generation 1: .*b has a value of version/,
    );
    strong.remove(group, 'default', 'k');
    expect((await explain('a', 'k')).findings[0]).toContain('b has no record');
  });

  it('is what the log of its copy shows, also while it is written', async () => {
    await cluster.put('a', 'k', 'before');
    await cluster.advance(1_000);
    const looking = Promise.all(
      cluster.nodeIds.map((nodeId) => administrationOf(nodeId).explain('default', 'k')),
    );
    const writing = Promise.all(
      Array.from({ length: 20 }, (_, number) =>
        cluster.node('a').processor.addOrUpdate('default', 'k', Buffer.from(`v${number}`), {
          level: 'quorum',
          timeoutMs: 5_000,
          ttlMs: 0,
        }),
      ),
    );
    const told = await cluster.settle(looking);
    await cluster.settle(writing);
    expect(told.flatMap(({ findings }) => findings)).toEqual([]);
    for (const { group, record } of told.flatMap(({ copies }) => copies)) {
      expect(Number.parseInt(record!.version.slice(8), 16)).toBeLessThanOrEqual(group!.applied);
    }
  });

  it('that is written while it is read from the disk is told as it was written', async () => {
    await cluster.put('a', 'k', 'before');
    await cluster.advance(1_000);
    const { strong } = cluster.node('b').storage;
    const read = strong.read.bind(strong);
    vi.spyOn(strong, 'read').mockImplementation(async (group, namespace, key) => {
      const found = (await read(group, namespace, key))!;
      strong.put(group, namespace, key, {
        ...found,
        index: found.index + 1,
        value: Buffer.from('meanwhile'),
      });
      return found;
    });
    const { copies } = await explain('a', 'k');
    expect(copies.find(({ nodeId }) => nodeId === 'b')!.record).toMatchObject({
      valueBytes: 'meanwhile'.length,
    });
  });

  it('of a copy that is being fetched is not told', async () => {
    await cluster.put('a', 'k', 'value');
    await cluster.advance(1_000);
    const group = groupsOf(cluster.node('c'))!.get(cluster.ring.partitionOf('k'))!;
    group.beginFetching();
    const { copies, findings } = await explain('a', 'k');
    expect(copies.find(({ nodeId }) => nodeId === 'c')!.error).toMatch(/being fetched/);
    expect(findings).toEqual([]);
  });

  it.each([
    ['default', '', 'DKV_INVALID_KEY'],
    ['none', 'k', 'DKV_UNKNOWN_NAMESPACE'],
  ])('of namespace %j and name %j is refused', async (namespace, key, code) => {
    expect((await rejected(administrationOf('a').explain(namespace, key))).code).toBe(code);
  });
});

describe('an eventual key', () => {
  beforeEach(() => start(3, { mode: 'eventual' }));

  it('is compared without a log, its tombstones included', async () => {
    const { version } = await cluster.put('a', 'k', 'value', { level: 'all' });
    const told = await explain('b', 'k');
    expect(told).toMatchObject({ mode: 'eventual', leader: '', findings: [] });
    expect(told.copies.map(({ record, hintBytes, group }) => [record!.version, hintBytes, group])).toEqual(
      Array(3).fill([version, 0, undefined]),
    );
    await cluster.remove('c', 'k', { level: 'all' });
    const { copies, findings } = await explain('a', 'k');
    expect(copies.map(({ record }) => [record!.isTombstone, record!.valueBytes])).toEqual(
      Array(3).fill([true, 0]),
    );
    expect(findings).toEqual([]);
  });

  it('that a node has missed is found, with the hints for it', async () => {
    cluster.partition(['a', 'b'], ['c']);
    await cluster.put('a', 'k', 'value', { level: 'one' });
    await cluster.advance(1_000);
    const apart = await explain('a', 'k');
    expect(apart.copies.find(({ nodeId }) => nodeId === 'c')).toMatchObject({
      error: expect.any(String) as string,
    });
    expect(apart.findings).toEqual([]);
    expect(apart.copies.some(({ hintBytes }) => (hintBytes ?? 0) > 0)).toBe(true);
    cluster.heal();
    const { findings } = await explain('a', 'k');
    expect(findings).toEqual([expect.stringMatching(/^The copies differ: .*c has no record/)]);
  });
});

describe('the partitions', () => {
  it('are told with each copy, by any node', async () => {
    await start(3);
    for (const nodeId of cluster.nodeIds) {
      const reports = await partitions(nodeId);
      expect(reports.map(({ partition, group, copies }) => [partition, group, copies])).toEqual(
        Array.from({ length: PARTITIONS }, (_, number) => [number, number, 3]),
      );
      for (const report of reports) {
        const list = cluster.ring.preferenceList(report.group);
        expect(report).toMatchObject({ list, takesWrites: true, outgoing: [], learners: [] });
        expect([...report.voters!].sort()).toEqual([...list].sort());
        expect([report.leader]).toEqual(leadersOf(report.group));
        expect(report.members.map((member) => member.nodeId)).toEqual(list);
        expect(report.members.filter(({ role }) => role === 'leader')).toHaveLength(1);
      }
    }
  });

  it('lack the copies of a node that is gone, and take no writes without a majority', async () => {
    await start(3);
    cluster.kill('c');
    await cluster.advance(4_000);
    for (const { members, takesWrites, leader, voters } of await partitions('a')) {
      expect(members.map(({ nodeId }) => nodeId).sort()).toEqual(['a', 'b']);
      expect([takesWrites, ['a', 'b'].includes(leader), voters!.length]).toEqual([true, true, 3]);
    }
    cluster.kill('b');
    await cluster.advance(4_000);
    for (const { members, takesWrites, leader } of await partitions('a')) {
      expect([members.map(({ nodeId }) => nodeId), takesWrites, leader]).toEqual([['a'], false, '']);
    }
  });

  it('are told by a node that holds none of them, and are numbered apart where namespaces ask for fewer copies', async () => {
    await start(3, { namespaces: [{ name: 'single', copies: 1 }] });
    const reports = await partitions('a');
    const single = reports.filter(({ copies }) => copies === 1);
    expect(single.map(({ partition, group }) => group - partition)).toEqual(
      Array(PARTITIONS).fill(PARTITIONS),
    );
    for (const { group, list, leader, takesWrites, members } of single) {
      expect(list).toEqual(cluster.node('a').view.listOf(group));
      expect(list).toHaveLength(1);
      expect([leader, takesWrites, members.map(({ nodeId }) => nodeId)]).toEqual([list[0], true, list]);
    }
    expect(single.some(({ list }) => list[0] !== 'a')).toBe(true);
  });

  it('come whole where one answer has no room for them', async () => {
    const many = GROUPS_PER_ANSWER_MAX + 4;
    await start(2, { replicas: 1, partitions: many });
    cluster.forgetMessages();
    const reports = await partitions('a');
    expect(reports.map(({ members }) => members.length)).toEqual(Array(many).fill(2));
    expect(cluster.traffic.getGroups).toBe(2);
  });
});

describe('handing on a leadership', () => {
  const GROUP = 0;
  let leader: string;
  let other: string;
  let third: string;

  beforeEach(async () => {
    await start(3);
    [leader] = leadersOf(GROUP) as [string];
    [other, third] = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
  });

  it.each(['the leader', 'the node that is to lead', 'a third node'])('is asked of %s', async (who) => {
    const asked = { 'the leader': leader, 'the node that is to lead': other }[who] ?? third;
    await transfer(asked, GROUP, other);
    expect(leadersOf(GROUP)).toEqual([other]);
    expect(raftAt(other, GROUP).isReady).toBe(true);
  });

  it('holds for ten minutes, and then the preferred leader has it back', async () => {
    // One partition: many minutes pass.
    await start(3, { partitions: 1 });
    expect(cluster.ring.preferenceList(GROUP)[0]).toBe(leader);
    await transfer(third, GROUP, other);
    await cluster.advance(9 * MINUTE_MS);
    expect(leadersOf(GROUP)).toEqual([other]);
    await cluster.advance(2 * MINUTE_MS);
    expect(leadersOf(GROUP)).toEqual([leader]);
  });

  it('to the node that leads is done at once', async () => {
    const { term } = raftAt(leader, GROUP);
    await transfer(third, GROUP, leader);
    expect(raftAt(leader, GROUP).term).toBe(term);
  });

  it('loses nothing of what is written meanwhile', async () => {
    const key = cluster.keyWhere((list) => list === cluster.ring.preferenceList(GROUP));
    await cluster.put(leader, key, 'before');
    const moved = administrationOf(third).transferLeadership(GROUP, other, 5_000);
    await cluster.put(leader, key, 'meanwhile');
    await cluster.settle(moved);
    expect(await cluster.get(other, key, { level: 'linearizable' })).toBe('meanwhile');
  });

  it.each([
    [-1, 'b', /no group -1/],
    [0.5, 'b', /no group 0.5/],
    // Of namespaces of two copies, of which there are none.
    [PARTITIONS, 'b', new RegExp(`no group ${PARTITIONS}`)],
    [3 * PARTITIONS, 'b', /no group/],
    [GROUP, 'z', /Node z holds no copy of partition 0: name one of .*a/],
  ])('of group %s to %s is refused', async (group, nodeId, message) => {
    const refused = await rejected(transfer('a', group, nodeId));
    expect(refused).toMatchObject({
      code: 'DKV_INVALID_ARGUMENT',
      message: expect.stringMatching(message) as string,
    });
  });

  it('to a node that is gone is refused', async () => {
    cluster.kill(other);
    const refused = await rejected(transfer(leader, GROUP, other));
    expect(refused.code).toBe('DKV_NOT_READY');
    expect(refused.message).toMatch(new RegExp(`^Node ${other} cannot lead partition 0: it does not answer`));
    expect(leadersOf(GROUP)).toEqual([leader]);
  });

  it('to a node that is not fit to lead is refused, and says so', async () => {
    cluster.node(other).breakDisk();
    await cluster.put(
      leader,
      cluster.keyWhere((list) => list[0] === leader),
      'v',
    );
    await cluster.advance(1_000);
    const refused = await rejected(transfer(third, GROUP, other));
    expect(refused.code).toBe('DKV_NOT_READY');
    expect(refused.message).toMatch(/it says that it cannot lead/);
    expect(leadersOf(GROUP)).toEqual([leader]);
  });

  it('to a node that does not vote yet is refused, and says so', async () => {
    const group = groupsOf(cluster.node(leader))!.get(GROUP)!;
    const { configuration } = group.raft;
    const voters = configuration.voters.filter((voter) => !voter.startsWith(`${other}@`));
    vi.spyOn(group.raft, 'configuration', 'get').mockReturnValue({ ...configuration, voters });
    expect((await rejected(transfer(third, GROUP, other))).message).toMatch(/it is not a voter of it yet/);
  });

  it('to a node that lags is refused, and says so', async () => {
    const group = groupsOf(cluster.node(leader))!.get(GROUP)!;
    vi.spyOn(group.raft, 'matchOf').mockReturnValue(0);
    const refused = await rejected(transfer(third, GROUP, other));
    expect(refused).toMatchObject({
      code: 'DKV_NOT_READY',
      message: expect.stringMatching(/it has not caught up yet/) as string,
    });
  });

  it('where nobody leads is refused', async () => {
    cluster.kill(leader);
    cluster.kill(third);
    await cluster.advance(4_000);
    const refused = await rejected(transfer(other, GROUP, other));
    expect(refused).toMatchObject({ code: 'DKV_QUORUM_NOT_REACHED' });
  });

  it('to a node that does not take over ends with its time, and the leader goes on', async () => {
    vi.spyOn(raftAt(other, GROUP), 'campaign').mockReturnValue(undefined);
    const handed = vi.spyOn(raftAt(leader, GROUP), 'transferTo');
    const refused = await rejected(transfer(third, GROUP, other));
    expect(refused).toMatchObject({
      code: 'DKV_TIMEOUT',
      message: expect.stringMatching(new RegExp(`within 5000 ms; node ${leader} leads it`)) as string,
    });
    // While it is handed on, nothing is decided.
    expect(handed).toHaveBeenCalledTimes(1);
    const key = cluster.keyWhere((list) => list === cluster.ring.preferenceList(GROUP));
    expect((await cluster.put(third, key, 'v')).version).toBeDefined();
  });
});
