/** Runs that bring about what chance brings too seldom; each tells which rules it found broken. */
import { vi } from 'vitest';
import { judgeFailover, type Loss, runFailover } from '../../../libs/dkv/testing/simulation/failover.js';
import { createTestCluster, type TestCluster } from '../../../libs/dkv/testing/simulation/sim-cluster.js';
import { CONFIGURATION_GROUP } from '../../../libs/dkv/src/model/membership.js';
import { groupsOf } from '../../../libs/dkv/testing/simulation/group-facts.js';
import { SimRandom } from '../../../libs/dkv/testing/simulation/sim-random.js';

const KEY = 'k1';
const LINEARIZABLE = { level: 'linearizable' } as const;

/** Of the runs below: one that serves a group too late is enough. */
const FAILOVER_SEEDS = 20;

/** A node of five is lost while clients write, with the groups that it led. */
export async function loseLeader(loss: Loss, copies: number): Promise<readonly string[]> {
  for (let seed = 1; seed <= FAILOVER_SEEDS; seed++) {
    const findings = judgeFailover(await runFailover({ nodes: 5, copies, partitions: 64 }, loss, seed));
    if (findings.length > 0) {
      return findings.map(({ rule }) => rule);
    }
  }
  return [];
}

/**
 * A leader's process stands still, another node is elected and writes, and the first one is read from. With `isClogged` it
 * hears nothing of its successor when it goes on, and asks the third node whether it still leads.
 */
export async function readAtStaleLeader(isClogged: boolean): Promise<readonly string[]> {
  const cluster = createTestCluster(3, { mode: 'strong', partitions: 2 });
  await cluster.start();
  await cluster.advance(1_000);
  await cluster.put('a', KEY, 'old');
  const stale = leaderOf(cluster, '');
  cluster.node(stale).pause(3_000);
  if (isClogged) {
    // What its successor says does not come through; the third node answers, and follows that one.
    cluster.network.clog(
      cluster.listOf(KEY).find((nodeId) => nodeId !== stale)!,
      stale,
    );
  }
  await cluster.advance(2_500);
  const leader = leaderOf(cluster, stale);
  await cluster.put(leader, KEY, 'new');
  const read = cluster.get(stale, KEY, { level: 'linearizable', timeoutMs: 5_000 }).catch(() => 'none');
  return (await read) === 'old' ? ['linearizability'] : [];
}

/**
 * A node asks a leader that hears of nobody for a read, is killed, and starts again; the third node comes back, and confirms
 * that read. When the leader answers, the asking node waits for another one, the first of its run as that was.
 */
export async function answerEarlierRun(): Promise<readonly string[]> {
  const { cluster, leader, follower, third: other } = await withOld();
  // Who leads the group of the configuration has asked before: its read would not be the first of its run.
  const isPlanner = groupsOf(cluster.node(follower))!.get(CONFIGURATION_GROUP)!.leads;
  const [asker, third] = isPlanner ? [other, follower] : [follower, other];
  const read = (key: string) =>
    cluster.node(asker).processor.get('default', key, { ...LINEARIZABLE, timeoutMs: 5_000 });
  cluster.kill(third);
  cluster.network.clog(leader, asker);
  read(KEY).catch(() => undefined);
  await cluster.advance(20);
  cluster.kill(asker);
  cluster.heal();
  void cluster.node(asker).start();
  // The leader has heard of its new run by then.
  await cluster.advance(150);
  cluster.network.clog(asker, leader);
  const another = read('another');
  void cluster.node(third).start();
  await cluster.advance(600);
  cluster.heal();
  return (await cluster.settle(another)) === undefined ? [] : ['linearizability'];
}

/**
 * A follower commits a write by itself and answers its caller; its acknowledgement does not reach the leader, and the third
 * node's disk stands still. The leader is read from, and that node confirms that it still leads.
 */
export async function readBesideFollower(): Promise<readonly string[]> {
  const { cluster, leader, follower, third } = await withOld();
  cluster.node(third).folder.setFaults({ stalled: true });
  const { raft } = groupsOf(cluster.node(leader))!.get(0)!;
  const before = raft.lastIndex;
  let isClogged = false;
  cluster.watch(() => {
    if (!isClogged && raft.lastIndex > before) {
      isClogged = true;
      cluster.network.clog(follower, leader);
    }
  });
  await cluster.put(follower, KEY, 'new');
  const read = await cluster.get(leader, KEY, { ...LINEARIZABLE, timeoutMs: 1_000 }).catch(() => 'none');
  return read === 'old' ? ['linearizability'] : [];
}

/** A leader's disk stands still, and only one follower gets its entry; then both are lost, and the leader comes back. */
export async function loseBothCopies(): Promise<readonly string[]> {
  const { cluster, leader, follower, third } = await withOld();
  cluster.node(leader).folder.setFaults({ stalled: true });
  cluster.network.cut(leader, third);
  const isWritten = await cluster.put(follower, KEY, 'new', { timeoutMs: 1_000 }).then(
    () => true,
    () => false,
  );
  // Nothing of the write that is under way reaches the file.
  const chance = vi.spyOn(SimRandom.prototype, 'int').mockReturnValue(0);
  cluster.kill(leader);
  chance.mockRestore();
  cluster.kill(follower);
  cluster.node(leader).folder.heal();
  cluster.heal();
  void cluster.node(leader).start();
  await cluster.advance(5_000);
  return isWritten && (await cluster.get(third, KEY, LINEARIZABLE)) === 'old' ? ['linearizability'] : [];
}

/** Three nodes whose disks are quick, and one group. */
async function withOld() {
  const cluster = createTestCluster(3, { mode: 'strong', partitions: 1 });
  await cluster.start();
  cluster.nodeIds.forEach((nodeId) => cluster.node(nodeId).folder.setFaults({ inlineWriteRate: 1 }));
  await cluster.advance(1_000);
  const leader = leaderOf(cluster, '');
  await cluster.put(leader, KEY, 'old');
  const [follower, third] = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
  return { cluster, leader, follower, third };
}

function leaderOf(cluster: TestCluster, except: string): string {
  const number = cluster.ring.partitionOf(KEY);
  const found = cluster.nodeIds.find(
    (nodeId) => nodeId !== except && groupsOf(cluster.node(nodeId))?.get(number)?.leads,
  );
  if (found === undefined) {
    throw new Error('Nobody leads the group of the key.');
  }
  return found;
}

/** A leader whose log takes nothing any more steps down, and stands for nothing; its node goes on to be heard. */
export async function stepDown(): Promise<readonly string[]> {
  const cluster = createTestCluster(3, { mode: 'strong', partitions: 1 });
  await cluster.start();
  await cluster.advance(3_000);
  const leader = leaderOf(cluster, '');
  cluster.node(leader).folder.setFaults({ writeErrorRate: 1, writeErrorCode: 'EMFILE' });
  await cluster.put(leader, KEY, 'refused', { timeoutMs: 500 }).catch(() => undefined);
  await cluster.advance(2_000);
  const groups = cluster.nodeIds.map((nodeId) => groupsOf(cluster.node(nodeId))!.get(0)!);
  return groups.some(({ leads }) => leads) ? [] : ['liveness'];
}
