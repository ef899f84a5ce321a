/** Runs that bring about what chance brings too seldom; each tells which rules it found broken. */
import { judgeFailover, type Loss, runFailover } from '../../../libs/dkv/testing/simulation/failover.js';
import { createTestCluster, type TestCluster } from '../../../libs/dkv/testing/simulation/sim-cluster.js';
import { groupsOf } from '../../../libs/dkv/testing/simulation/group-facts.js';

const KEY = 'k1';

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
 * A node asks a leader for a write that cannot be committed, is killed, and starts again: its acknowledgement is what
 * commits the write. When the leader answers, the node waits for another one, the first of its run as that was.
 */
export async function answerEarlierRun(): Promise<readonly string[]> {
  const cluster = createTestCluster(3, { mode: 'strong', partitions: 2 });
  await cluster.start();
  await cluster.advance(1_000);
  const leader = leaderOf(cluster, '');
  const [asker, third] = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
  cluster.kill(third);
  cluster.network.clog(leader, asker);
  const options = { level: 'quorum', timeoutMs: 5_000, ttlMs: 0 } as const;
  void cluster.node(asker).processor.addOrUpdate('default', KEY, new Uint8Array(1), options);
  await cluster.advance(20);
  cluster.kill(asker);
  cluster.heal();
  void cluster.node(asker).start();
  // Until its folder is open.
  while (!groupsOf(cluster.node(asker))) {
    await cluster.advance(1);
  }
  await cluster.put(asker, KEY, 'another');
  await cluster.advance(1_000);
  const read = await cluster.get(leader, KEY, { level: 'linearizable' });
  return read === 'another' ? [] : ['linearizability'];
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
