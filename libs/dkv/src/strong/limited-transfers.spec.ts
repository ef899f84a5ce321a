/** Snapshots go at the rate that the node is allowed, both ways together: slowly, but they end, and callers do not wait for them. */
import { beforeEach, describe, expect, it } from 'vitest';
import { groupsOf } from '../../testing/simulation/group-facts.js';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { type Snapshots } from './snapshots.js';

const MIB = 1024 * 1024;
const VALUE_BYTES = 50_000;
const KEYS = 20;
const DATA_BYTES = KEYS * VALUE_BYTES;
/** A page of 256 KiB waits for 13 s: longer than an answer is waited for. */
const RATE = 20_000;
/** The node that fetches has the rate for what it gets, the one that serves for what it sends; a second's worth goes at once. */
const SHORTEST_MS = (1000 * (DATA_BYTES - 2 * RATE)) / RATE;

let cluster: TestCluster;
let leader: string;
let away: string;

const groupAt = (nodeId: string) => groupsOf(cluster.node(nodeId))!.get(0)!;
const snapshotsAt = (nodeId: string) =>
  (cluster.node(nodeId).strong as unknown as { node: { snapshots: Snapshots } }).node.snapshots;

beforeEach(async () => {
  cluster = createTestCluster(3, {
    mode: 'strong',
    partitions: 1,
    limits: { transferBytesPerSecondMax: RATE },
    strongLimits: { uncommittedBytesMax: 64 * MIB, snapshotPageBytes: 256 * 1024 },
    storage: { dirtyBytesMax: 64 * MIB, logBytesMax: 64 * MIB },
  });
  await cluster.start();
  await cluster.advance(3_000);
  leader = cluster.nodeIds.find((nodeId) => groupAt(nodeId).leads)!;
  away = cluster.nodeIds.find((nodeId) => nodeId !== leader)!;
  for (let number = 0; number < KEYS; number++) {
    await cluster.put(leader, `k${number}`, '.'.repeat(VALUE_BYTES));
  }
  cluster.kill(away);
  cluster.node(away).loseDisk();
  await cluster.advance(5_000);
  void cluster.node(away).start();
});

describe('a node that gets all its data again, at a bounded rate', () => {
  it('takes as long as that allows, beginning once, while writes are committed', async () => {
    await cluster.advance(3_000);
    const began = cluster.scheduler.nowMs;
    let writes = 0;
    while (snapshotsAt(away).underWay > 0) {
      expect(cluster.scheduler.nowMs - began).toBeLessThan(5 * SHORTEST_MS);
      await cluster.put(leader, 'other', `v${writes++}`);
      await cluster.advance(500);
    }
    expect(cluster.scheduler.nowMs - began).toBeGreaterThan(SHORTEST_MS - 15_000);
    // What cannot be had from the log is fetched once: as the new voter that it is.
    expect(groupAt(away).fetches).toBe(1);
    await cluster.advance(3_000);
    expect(cluster.node(away).processor.ready).toBe(true);
    expect(await cluster.get(away, 'other')).toBe(`v${writes - 1}`);
    expect(writes).toBeGreaterThan(20);
  });

  it('counts what is sent and received, by the bytes of records', async () => {
    await cluster.advance(3 * SHORTEST_MS);
    const sent = snapshotsAt(leader).sentBytes;
    expect(sent).toBe(snapshotsAt(away).receivedBytes);
    expect(sent).toBeGreaterThan(DATA_BYTES);
    expect(sent).toBeLessThan(1.1 * DATA_BYTES);
    expect(snapshotsAt(away).copiedOf(0)).toBeGreaterThan(DATA_BYTES);
  });
});
