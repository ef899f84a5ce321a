/** How long groups are served by nobody when the node that led them is lost: rule 9's promise, on virtual time. */
import { CLOCK_RATE_ERROR_MAX } from '../../src/strong/read-leases.js';
import { type Finding } from './checkers/finding.js';
import { groupsOf } from './group-facts.js';
import { createTestCluster, type TestCluster } from './sim-cluster.js';
import { SimRandom } from './sim-random.js';

/**
 * How a node is lost. `crash`: its process dies, and its peers see their connections close; `partlySeenCrash`: half of
 * them do not. The others leave connections open: `stall`, its event loop stands still; `silence`, nothing passes to or
 * from it any more.
 */
export type Loss = 'crash' | 'partlySeenCrash' | 'stall' | 'silence';

/** From the loss of a node to when the last of the groups that it led is served by another. */
export const FAILOVER_MS_MAX: Readonly<Record<Loss, number>> = {
  crash: 500,
  partlySeenCrash: 1_500,
  stall: 1_500,
  silence: 1_500,
};
export const LOSSES = Object.keys(FAILOVER_MS_MAX) as readonly Loss[];

/** So much longer where leaders have leases: until the last one that was granted is over, by a clock that is slow. */
const LEASES_MS = 1_000 / (1 - CLOCK_RATE_ERROR_MAX);

/** So long before the loss one of the others may have been out of its reach, and lacks what was written. */
const LAG_MS = 300;
const LOOK_EVERY_MS = 5;
/** What takes longer is not waited for. */
const GIVE_UP_MS = 5_000;

export interface Failover {
  readonly loss: Loss;
  readonly nodeId: string;
  /** Those that it led. */
  readonly groups: readonly number[];
  /** Until all of them were served, milliseconds; Infinity where some never were. */
  readonly tookMs: number;
  /** The last of them. */
  readonly slowest: number | undefined;
}

export interface FailoverSize {
  readonly nodes: number;
  readonly copies: number;
  readonly partitions: number;
}

/**
 * Loses a node of a new cluster, by chance. Clients of the other nodes write all along, and one of these nodes may lack
 * what was written last.
 */
export async function runFailover(
  { nodes, copies, partitions }: FailoverSize,
  loss: Loss,
  seed: number,
): Promise<Failover> {
  const random = new SimRandom(`failover ${nodes} ${copies} ${loss} ${seed}`);
  const cluster = createTestCluster(nodes, {
    mode: 'strong',
    partitions,
    replicas: copies - 1,
    durability: random.pick(['wal', 'fsync'] as const),
    seed: `failover ${seed}`,
  });
  await cluster.start();
  await cluster.advance(3_000 + random.int(1_000));
  const lost = random.pick(cluster.nodeIds);
  const others = cluster.nodeIds.filter((nodeId) => nodeId !== lost);
  let isWriting = true;
  const write = async () => {
    while (isWriting) {
      const { processor } = cluster.node(random.pick(others));
      const options = { level: 'quorum', timeoutMs: 2_000, ttlMs: 0 } as const;
      const key = `key ${random.int(10 * partitions)}`;
      processor.addOrUpdate('default', key, new Uint8Array([49]), options).catch(() => undefined);
      await cluster.scheduler.sleep(random.int(4));
    }
  };
  void write();
  await cluster.advance(300 + random.int(200));
  const link = cluster.network.link(lost, random.pick(others));
  if (random.chance(0.5)) {
    const { faults } = link;
    link.faults = { ...faults, dropRate: 1 };
    await cluster.advance(LAG_MS);
    link.faults = faults;
  }
  const failover = await failOver(cluster, lost, loss);
  isWriting = false;
  return failover;
}

/** Loses the node, and waits until another serves each group that it led. The loss lasts until then, at least. */
export async function failOver(cluster: TestCluster, nodeId: string, loss: Loss): Promise<Failover> {
  const { scheduler } = cluster;
  const groups = (groupsOf(cluster.node(nodeId))?.values() ?? [])
    .filter(({ leads }) => leads)
    .map(({ number }) => number);
  const others = cluster.nodeIds.filter((other) => other !== nodeId);
  const fromMs = scheduler.nowMs;
  lose(cluster, nodeId, loss, others);
  let waiting: readonly number[] = groups;
  let slowest: number | undefined;
  while (waiting.length > 0 && scheduler.nowMs - fromMs < GIVE_UP_MS) {
    await cluster.advance(LOOK_EVERY_MS);
    slowest = waiting[0];
    waiting = waiting.filter(
      (number) => !others.some((other) => groupsOf(cluster.node(other))?.get(number)?.leads),
    );
  }
  const tookMs = waiting.length > 0 ? Infinity : scheduler.nowMs - fromMs;
  return { loss, nodeId, groups, tookMs, slowest };
}

function lose(cluster: TestCluster, nodeId: string, loss: Loss, others: readonly string[]): void {
  const { network } = cluster;
  switch (loss) {
    case 'crash':
    case 'partlySeenCrash': {
      const { connections } = network;
      network.connections = { ...connections, resetRate: loss === 'crash' ? 1 : 0.5 };
      cluster.kill(nodeId);
      network.connections = connections;
      return;
    }
    case 'stall':
      return cluster.node(nodeId).pause(GIVE_UP_MS);
    case 'silence':
      for (const other of others) {
        network.clog(nodeId, other);
        network.clog(other, nodeId);
      }
  }
}

/** What is broken, where it took longer than promised. */
export function judgeFailover(
  { loss, nodeId, groups, tookMs, slowest }: Failover,
  leaseReads = false,
): readonly Finding[] {
  const boundMs = FAILOVER_MS_MAX[loss] + (leaseReads ? LEASES_MS : 0);
  if (tookMs <= boundMs) {
    return [];
  }
  const message =
    `${groups.length} groups were led by ${nodeId}; after its loss (${loss}) the last of them was served again after ` +
    `${Math.round(tookMs)} ms, later than ${boundMs} ms`;
  return [{ rule: 'failover', key: `group ${slowest}`, message, operations: [] }];
}
