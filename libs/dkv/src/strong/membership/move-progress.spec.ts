/** How far a move is, as any node tells it: bytes that are true, also after another node came to plan; and how a move is called off. */
import { beforeEach, describe, expect, it } from 'vitest';
import { groupsOf } from '../../../testing/simulation/group-facts.js';
import { createTestCluster, type TestCluster } from '../../../testing/simulation/sim-cluster.js';
import { movesReportOf } from '../../cluster/configuration-report.js';
import { CONFIGURATION_GROUP, type MembershipChange } from '../../model/membership.js';
import { type MovesReport } from '../../model/moves-report.js';
import { type ReplicatedStrongMode } from '../strong-mode.js';

const PARTITIONS = 8;
const VALUE_BYTES = 20_000;
const KEYS = 80;
const DATA_BYTES = KEYS * VALUE_BYTES;

let cluster: TestCluster;

const reportAt = (nodeId: string): MovesReport => {
  const { configuration, progress } = (cluster.node(nodeId).strong as ReplicatedStrongMode).membership;
  return movesReportOf(configuration, progress);
};
const planner = () =>
  cluster.nodeIds.find(
    (nodeId) => cluster.node(nodeId).alive && groupsOf(cluster.node(nodeId))?.get(CONFIGURATION_GROUP)?.leads,
  )!;
const change = (by: string, ...changes: readonly MembershipChange[]) =>
  cluster.settle((cluster.node(by).strong as ReplicatedStrongMode).membership.change(changes, 5_000));

async function until(isSo: () => boolean, seconds = 300): Promise<void> {
  for (let second = 0; !isSo(); second++) {
    expect(second).toBeLessThan(seconds);
    await cluster.advance(1_000);
  }
}

beforeEach(async () => {
  cluster = createTestCluster(4, {
    mode: 'strong',
    partitions: PARTITIONS,
    limits: { transferBytesPerSecondMax: 50_000 },
    strongLimits: { uncommittedBytesMax: 64 * 2 ** 20, snapshotPageBytes: 32 * 1024, transfersMax: 2 },
    storage: { dirtyBytesMax: 64 * 2 ** 20, logBytesMax: 64 * 2 ** 20 },
  });
  await cluster.start();
  await cluster.advance(3_000);
  for (let number = 0; number < KEYS; number++) {
    await cluster.put('a', `k${number}`, '.'.repeat(VALUE_BYTES));
  }
  // What is not in memory any more is copied, and not had from the log.
  for (const nodeId of cluster.nodeIds) {
    await cluster.settle(cluster.node(nodeId).storage.checkpoint());
    for (const group of groupsOf(cluster.node(nodeId))!.values()) {
      group.raft.compact(group.applied);
    }
  }
});

describe('partitions that move', () => {
  it('are told of by every node alike: what is copied and to be copied, the rate and the time left', async () => {
    await change('a', { kind: 'leave', nodeId: 'd' });
    await until(() => reportAt('b').progress.bytesPerSecond > 0);
    const reports = ['a', 'b', 'c'].map((nodeId) => reportAt(nodeId).progress);
    for (const { bytesTotal, partitionsTotal, secondsLeft } of reports) {
      expect(partitionsTotal).toBe(reports[0]!.partitionsTotal);
      // All that d had, less what its partitions have of the keys by chance.
      expect(bytesTotal).toBeGreaterThan(0.4 * DATA_BYTES);
      expect(bytesTotal).toBeLessThan(1.1 * DATA_BYTES);
      expect(secondsLeft).toBeGreaterThan(0);
    }
    const { moving } = reportAt('a');
    const ofMoves = moving.reduce((sum, { bytesToCopy }) => sum + bytesToCopy, 0);
    expect(ofMoves).toBeGreaterThan(0);
    expect(ofMoves).toBeLessThanOrEqual(reports[0]!.bytesTotal);
    const { bytesTotal } = reports[0]!;
    await until(() => reportAt('a').isSettled);
    const end = reportAt('a').progress;
    expect([end.partitionsDone, end.bytesPerSecond]).toEqual([end.partitionsTotal, 0]);
    expect(end.bytesCopied).toBe(end.bytesTotal);
    expect(Math.abs(end.bytesCopied - bytesTotal)).toBeLessThan(0.02 * bytesTotal);
    expect(cluster.nodeIds.map((nodeId) => cluster.node(nodeId).log.lines.join()).join()).toMatch(
      /Partitions move: \d+ of \d+ have arrived, [\d.]+ of [\d.]+ MiB are copied, [\d.]+ MiB\/s, about \d+ s left\./,
    );
  });

  it('are told of as before when another node has come to plan', async () => {
    await change('a', { kind: 'leave', nodeId: 'd' });
    await until(() => reportAt('b').progress.partitionsDone > 1);
    const first = planner();
    const other = cluster.nodeIds.find((nodeId) => nodeId !== first && nodeId !== 'd')!;
    const before = reportAt(other).progress;
    cluster.kill(first);
    await cluster.advance(3_000);
    void cluster.node(first).start();
    await cluster.advance(5_000);
    expect(planner()).toBeDefined();
    const after = reportAt(other).progress;
    expect(after.partitionsDone).toBeGreaterThanOrEqual(before.partitionsDone);
    expect(after.bytesCopied).toBeGreaterThanOrEqual(0.9 * before.bytesCopied);
    await until(() => reportAt(other).isSettled);
    expect(reportAt(other).progress.bytesCopied).toBe(reportAt(other).progress.bytesTotal);
  });
});

describe('an operator who changes their mind', () => {
  it('keeps a node that leaves: what has not begun does not move at all', async () => {
    const before = cluster.node('a').view.agreed.lists;
    await change('a', { kind: 'leave', nodeId: 'd' });
    await until(() => reportAt('a').moving.length > 0);
    const begun = new Set(cluster.node('a').view.agreed.moving.map(({ place }) => place));
    await change('b', { kind: 'stay', nodeId: 'd' });
    await until(() => reportAt('a').isSettled && reportAt('b').isSettled);
    expect(cluster.node('b').view.isMember('d')).toBe(true);
    const { lists } = cluster.node('b').view.agreed;
    const changed = lists.flatMap((list, place) =>
      [...list].sort().join() === [...before[place]!].sort().join() ? [] : [place],
    );
    expect(changed.filter((place) => !begun.has(place))).toEqual([]);
  });

  it('takes a join back while it is under way: the newcomer leaves with what it got, the rest never moves', async () => {
    const before = cluster.node('a').view.agreed.lists.map((list) => [...list].sort().join());
    cluster.add('e');
    void cluster.node('e').start();
    await until(() => reportAt('a').moving.length > 0);
    await change('a', { kind: 'leave', nodeId: 'e' });
    await until(() => reportAt('a').isSettled && !cluster.node('a').view.isMember('e'));
    const after = cluster.node('a').view.agreed.lists.map((list) => [...list].sort().join());
    const changed = after.filter((list, place) => list !== before[place]);
    // Those that had begun may have ended elsewhere.
    expect(changed.length).toBeLessThanOrEqual(2 * 2);
    expect(after.join()).not.toContain('e');
  });
});
