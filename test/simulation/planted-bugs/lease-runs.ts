/** Runs of leases that bring about what chance brings too seldom; each tells which rules it found broken. */
import { CLOCK_RATE_ERROR_MAX } from '../../../libs/dkv/src/strong/read-leases.js';
import { type Finding } from '../../../libs/dkv/testing/simulation/checkers/finding.js';
import { LeaseWitness } from '../../../libs/dkv/testing/simulation/lease-witness.js';
import { type TestCluster } from '../../../libs/dkv/testing/simulation/sim-cluster.js';
import { groupAt, startNodes, strongCluster } from '../../../libs/dkv/testing/simulation/strong-cluster.js';

const KEY = 'k';
const ANSWER_MS = 500;

interface Run {
  readonly cluster: TestCluster;
  readonly leader: string;
  readonly voters: readonly string[];
  readonly found: Finding['rule'][];
}

/** A leader whose clock is as slow as it may be, voters whose clocks are as fast, and a witness of what it holds. */
async function begin(): Promise<Run> {
  const cluster = await strongCluster(3, { partitions: 1, strongLimits: { leaseReads: true } });
  await cluster.advance(3_000);
  await cluster.put('a', KEY, 'old');
  const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
  const voters = cluster.nodeIds.filter((nodeId) => nodeId !== leader);
  for (const nodeId of cluster.nodeIds) {
    const error = nodeId === leader ? -CLOCK_RATE_ERROR_MAX : CLOCK_RATE_ERROR_MAX;
    cluster.node(nodeId).clock.setMonotonicRate(1 + error);
  }
  const found: Finding['rule'][] = [];
  const witness = new LeaseWitness(cluster, (rule) => void found.push(rule));
  cluster.watch(() => witness.look());
  return { cluster, leader, voters, found };
}

/** The voters confirm at once, their answers take half a second; then they lose the leader, which does not know. */
export async function readAfterSlowRound(): Promise<readonly string[]> {
  const { cluster, leader, voters, found } = await begin();
  const slow = { minMs: ANSWER_MS, meanMs: ANSWER_MS, maxMs: ANSWER_MS };
  for (const voter of voters) {
    const link = cluster.network.link(voter, leader);
    link.faults = { ...link.faults, delay: slow };
  }
  void cluster.node(leader).processor.get('default', KEY, { level: 'linearizable', timeoutMs: 2_000 });
  await cluster.advance(5);
  // Their frames that are on the way still arrive.
  voters.forEach((voter) => cluster.network.cut(leader, voter));
  cluster.network.posts.reset(leader);
  await cluster.advance(3_000);
  return found;
}

/** The leader is cut off right after a round, and both voters start again, without memory of what they granted. */
export async function restartVoters(): Promise<readonly string[]> {
  const { cluster, leader, voters, found } = await begin();
  await cluster.get(leader, KEY, { level: 'linearizable' });
  cluster.partition([leader], voters);
  voters.forEach((voter) => cluster.kill(voter));
  startNodes(cluster, voters);
  await cluster.advance(3_000);
  return found;
}
