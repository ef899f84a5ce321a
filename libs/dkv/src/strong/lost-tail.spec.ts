/** What callers are told where a group goes on without the end of its log: their requests, and what they may read. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { groupAt, startNodes, strongCluster } from '../../testing/simulation/strong-cluster.js';
import { type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { type Answer } from '../model/node-messages.js';

const NAMESPACE = 'default';
const LINEARIZABLE = { level: 'linearizable' } as const;
const OPTIONS = { level: 'quorum', timeoutMs: 10_000, ttlMs: 0 } as const;
const VALUE = new Uint8Array(Buffer.from('lost'));

afterEach(() => vi.restoreAllMocks());

interface Setting {
  readonly cluster: TestCluster;
  /** Holds the one copy of `key`. */
  readonly holder: string;
  /** Asks it. */
  readonly caller: string;
  readonly key: string;
  /** Of what is on the disk. */
  readonly version: string;
}

/** Two nodes, a copy of each key; what is written from now on is lost with the power. */
async function withOneCopy(): Promise<Setting> {
  const cluster = await strongCluster(2, { partitions: 1, replicas: 0 });
  const key = 'k0';
  const [holder] = cluster.listOf(key) as [string];
  const caller = cluster.nodeIds.find((nodeId) => nodeId !== holder)!;
  const { version } = await cluster.put(caller, key, 'kept');
  await cluster.advance(60_000);
  return { cluster, holder, caller, key, version: version.toString() };
}

/** Nothing that was not synced is left. */
function losePower(cluster: TestCluster, nodeId: string): void {
  cluster.kill(nodeId);
  const chance = vi.spyOn(SimRandom.prototype, 'int').mockReturnValue(0);
  cluster.node(nodeId).losePower();
  chance.mockRestore();
}

async function startHolder({ cluster, holder, key }: Setting): Promise<void> {
  startNodes(cluster, [holder]);
  await cluster.advance(3_000);
  expect(groupAt(cluster, holder).generation).toBe(2);
  expect(await cluster.get(holder, key, LINEARIZABLE)).toBe('kept');
}

/** A write that is carried out, and read by somebody, while its answer is held back. */
async function unanswered(
  { cluster, holder, caller, key }: Setting,
  write: () => Promise<unknown>,
): Promise<{ readonly ended: Promise<string> }> {
  cluster.network.clog(holder, caller);
  const ended = write().then(
    () => 'done',
    (error: { code: string }) => error.code,
  );
  await cluster.advance(50);
  expect(await cluster.get(holder, key, LINEARIZABLE)).toBe('lost');
  return { ended };
}

describe('a request that was under way when the end of the log was lost', () => {
  it('is of unknown outcome where it is cancelled afterwards: others may have read it', async () => {
    const setting = await withOneCopy();
    const { cluster, holder, caller, key } = setting;
    const { processor } = cluster.node(caller);
    const { ended } = await unanswered(setting, () => processor.addOrUpdate(NAMESPACE, key, VALUE, OPTIONS));
    losePower(cluster, holder);
    await startHolder(setting);
    await cluster.advance(4_000);
    cluster.heal();
    expect(await cluster.settle(ended)).toBe('DKV_INDETERMINATE');
    // And it takes no effect from then on.
    await cluster.advance(10_000);
    expect(await cluster.get(caller, key, LINEARIZABLE)).toBe('kept');
  });

  it('is of unknown outcome, too, where what is asked again finds a conflict', async () => {
    const setting = await withOneCopy();
    const { cluster, holder, caller, key, version } = setting;
    const { processor } = cluster.node(caller);
    const { ended } = await unanswered(setting, () =>
      processor.addOrUpdate(NAMESPACE, key, VALUE, { ...OPTIONS, timeoutMs: 60_000, expected: version }),
    );
    losePower(cluster, holder);
    await startHolder(setting);
    await cluster.put(holder, key, 'other');
    cluster.heal();
    expect(await cluster.settle(ended)).toBe('DKV_INDETERMINATE');
    expect(await cluster.get(caller, key, LINEARIZABLE)).toBe('other');
  });

  it('is not applied where it is cancelled in the generation that it began in', async () => {
    const setting = await withOneCopy();
    const { cluster, holder, caller, key } = setting;
    await cluster.put(caller, key, 'lost');
    losePower(cluster, holder);
    await startHolder(setting);
    await cluster.put(caller, key, 'kept');
    cluster.partition([caller], [holder]);
    const writing = cluster.node(caller).processor.addOrUpdate(NAMESPACE, key, VALUE, OPTIONS);
    const ended = rejected(writing);
    await cluster.advance(6_500);
    cluster.heal();
    expect((await cluster.settle(ended)).code).toBe('DKV_NOT_APPLIED');
  });
});

describe('a node that was told of entries that are lost', () => {
  it('reads at level one at once, although their indices are not reached again', async () => {
    const setting = await withOneCopy();
    const { cluster, holder, caller, key } = setting;
    for (let n = 0; n < 30; n++) {
      await cluster.put(caller, key, 'lost');
    }
    losePower(cluster, holder);
    await startHolder(setting);
    expect(groupAt(cluster, holder).applied).toBeLessThan(30);
    expect(await cluster.get(caller, key, { level: 'one', timeoutMs: 500 })).toBe('kept');
    await cluster.put(caller, key, 'after');
    expect(await cluster.get(caller, key, { level: 'one', timeoutMs: 500 })).toBe('after');
  });
});

describe('a copy that is asked for what an older or a newer generation told', () => {
  it.each([1, 3])('of generation 2, floor of generation %i: the leader is asked', async (generation) => {
    const cluster = await strongCluster(3, { partitions: 1 });
    cluster.nodeIds.forEach((nodeId) => losePower(cluster, nodeId));
    startNodes(cluster);
    await cluster.advance(15_000);
    await cluster.put('a', 'k0', 'there');
    await cluster.advance(1_000);
    const answers = new Map<string, Answer>();
    for (const nodeId of cluster.nodeIds) {
      const group = groupAt(cluster, nodeId);
      expect(group.generation).toBe(2);
      const ask = { type: 'read', namespace: NAMESPACE, key: 'k0', linearizable: false } as const;
      const asker = { answer: (_: number, answer: Answer) => answers.set(nodeId, answer) };
      group.ask(asker, 0, { ...ask, floor: { generation, index: 1 } });
    }
    await cluster.advance(1_000);
    const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
    for (const nodeId of cluster.nodeIds) {
      expect(answers.get(nodeId)).toMatchObject(
        nodeId === leader ? { type: 'done', generation: 2 } : { type: 'retry', leader },
      );
    }
  });

  it('shows what its own generation told, and cannot tell of another one', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    cluster.nodeIds.forEach((nodeId) => losePower(cluster, nodeId));
    startNodes(cluster);
    await cluster.advance(15_000);
    const group = groupAt(cluster, 'a');
    const reaches = (generation: number, index: number) => group.reaches({ generation, index });
    expect([reaches(0, 0), reaches(2, group.applied), reaches(2, group.applied + 1)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([reaches(1, 1), reaches(3, 1)]).toEqual([false, false]);
  });

  it('and was waiting for it when the next generation began: whoever waits asks again', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    await cluster.put('a', 'k0', 'only left here');
    await cluster.advance(500);
    const base = cluster.nodeIds.findLast((nodeId) => !groupAt(cluster, nodeId).leads)!;
    const others = cluster.nodeIds.filter((nodeId) => nodeId !== base);
    others.forEach((nodeId) => losePower(cluster, nodeId));
    const group = groupAt(cluster, base);
    const answers: Answer[] = [];
    const asker = { answer: (_: number, answer: Answer) => answers.push(answer) };
    const ask = { type: 'read', namespace: NAMESPACE, key: 'k0', linearizable: false } as const;
    group.ask(asker, 0, { ...ask, floor: { generation: 1, index: 1_000 } });
    const waited = new Set<string>();
    cluster.watch(() => waited.add(`${group.generation}: ${answers.map(({ type }) => type).join()}`));
    startNodes(cluster, others);
    await cluster.advance(15_000);
    expect([...waited]).toEqual(['1: ', '2: retry']);
  });
});
