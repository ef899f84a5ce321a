/** What a node's own callers are told of writes that another node leads: by their node's copy, or by the leader where that lags. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { groupAt, strongCluster } from '../../testing/simulation/strong-cluster.js';
import { PeerRun } from './peer-run.js';
import { StrongCalls } from './strong-calls.js';

afterEach(() => vi.restoreAllMocks());

/** Three nodes with quick disks, and one group. */
async function withLeader() {
  const cluster = await strongCluster(3, { partitions: 1 });
  cluster.nodeIds.forEach((nodeId) => cluster.node(nodeId).folder.setFaults({ inlineWriteRate: 1 }));
  const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
  const [caller, third] = cluster.nodeIds.filter((nodeId) => nodeId !== leader) as [string, string];
  return { cluster, leader, caller, third, processor: cluster.node(caller).processor };
}

/** How often leaders answered, and how often an applied entry did. */
function answers(): { readonly told: number; readonly own: number } {
  const told = vi.spyOn(PeerRun.prototype, 'say');
  const own = vi.spyOn(StrongCalls.prototype, 'ownApplied');
  return {
    get told() {
      return told.mock.calls.filter(([message]) => message.kind === 'answer').length;
    },
    get own() {
      return own.mock.calls.length;
    },
  };
}

const OPTIONS = { level: 'quorum', timeoutMs: 5_000, ttlMs: 0 } as const;
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const textOf = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();

describe('a caller whose node holds a copy', () => {
  it('is answered by the entry that is applied there, and the leader need not answer', async () => {
    const { cluster, caller } = await withLeader();
    const counts = answers();
    const { version } = await cluster.put(caller, 'k', 'value');
    expect([counts.told, counts.own]).toEqual([0, 1]);
    expect(groupAt(cluster, caller).applied).toBe(Number.parseInt(version.toString().slice(8), 16));
    expect(textOf(cluster.node(caller).strong.peek('default', 'k')?.value)).toBe('value');
  });

  it('is told of each kind of write what the leader would tell', async () => {
    const { cluster, processor } = await withLeader();
    const counts = answers();
    const run = <T>(work: Promise<T>) => cluster.settle(work);
    const put = await run(processor.addOrUpdate('default', 'k', bytes('one'), { ...OPTIONS, ttlMs: 60_000 }));
    expect([put.existed, textOf(put.record?.value)]).toEqual([false, 'one']);
    expect(put.record!.expiresAtMs).toBeGreaterThan(0);
    const touched = await run(processor.touch('default', 'k', OPTIONS));
    expect(touched).toMatchObject({ existed: true, record: { expiresAtMs: 0 } });
    expect(textOf(touched.record?.value)).toBe('one');
    expect(await run(processor.remove('default', 'k', OPTIONS))).toMatchObject({
      existed: true,
      record: undefined,
    });
    const named = { ...OPTIONS, idempotencyKey: 'once' };
    const first = await run(processor.addOrUpdate('default', 'k', bytes('named'), named));
    expect([first.repeated, textOf(first.record?.value)]).toEqual([false, 'named']);
    expect(counts.own).toBe(4);
    await cluster.advance(100);
    const { told } = counts;
    // That it writes nothing only the leader can say.
    expect((await run(processor.addOrUpdate('default', 'k', bytes('named'), named))).repeated).toBe(true);
    expect([counts.told, counts.own]).toEqual([told + 1, 4]);
  });

  it.each(['stalled', 'cut off'])('and whose copy is %s is answered by the leader', async (how) => {
    const { cluster, leader, caller } = await withLeader();
    const counts = answers();
    if (how === 'stalled') {
      cluster.node(caller).folder.setFaults({ stalled: true });
      const beganMs = cluster.scheduler.nowMs;
      await cluster.put(caller, 'k', 'value');
      expect(counts.told).toBe(1);
      // Not when it asks again.
      expect(cluster.scheduler.nowMs - beganMs).toBeLessThan(20);
      return;
    }
    // Its question arrives; the entry and the answer are lost, and it asks again under the same name.
    const { raft } = groupAt(cluster, leader);
    const before = raft.lastIndex;
    let isCut = false;
    cluster.watch(() => {
      if (!isCut && raft.lastIndex > before) {
        isCut = true;
        cluster.network.cut(leader, caller);
      }
    });
    const writing = cluster.node(caller).processor.addOrUpdate('default', 'k', bytes('value'), OPTIONS);
    await cluster.advance(200);
    expect(isCut).toBe(true);
    cluster.heal();
    expect((await cluster.settle(writing)).existed).toBe(false);
    expect(groupAt(cluster, leader).raft.lastIndex).toBe(before + 1);
  });
});
