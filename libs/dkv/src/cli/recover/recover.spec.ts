/** Recoveries of clusters in the simulator: what is kept, what is void, and that all are voters again afterwards. */
import { describe, expect, it } from 'vitest';
import { Incarnation } from '../../../testing/simulation/incarnation.js';
import { createTestCluster, type TestCluster } from '../../../testing/simulation/sim-cluster.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { simStorageHome } from '../../../testing/simulation/sim-storage-home.js';
import { configurationOf, noteConfiguration } from '../../cluster/cluster-configuration.js';
import { type MemberId } from '../../model/raft-messages.js';
import { type OfflineFolder } from '../../storage/offline-storage.js';
import { type GroupList } from '../../strong/group-list.js';
import { type StrongGroup } from '../../strong/strong-group.js';
import { type FolderView, inspect } from './inspect-folder.js';
import { planRecovery, type RecoveryPlan, type Verdict } from './recovery-plan.js';
import { describePlan } from './recovery-report.js';
import { recover } from './recovery-steps.js';

const READ = { level: 'linearizable' } as const;
const PARTITIONS = 4;

interface Inside {
  readonly member: MemberId;
  readonly node: { readonly groups: GroupList };
}

/** Node ids and what was kept beside the data, by file. */
type Kept = Map<string, string>;

async function written(size: number, keys = 10): Promise<TestCluster> {
  const cluster = createTestCluster(size, { mode: 'strong', replicas: size - 1, partitions: PARTITIONS });
  await cluster.start();
  for (const nodeId of cluster.nodeIds) {
    await cluster.settle(
      noteConfiguration(cluster.node(nodeId).local, configurationOf(cluster.ring, cluster.members)),
    );
  }
  await cluster.advance(2_000);
  await putAll(cluster, 'v', keys);
  // A checkpoint is made: without one, a loss of power may leave nothing at all.
  await cluster.advance(5_000);
  return cluster;
}

async function putAll(cluster: TestCluster, value: string, keys = 10): Promise<void> {
  for (let number = 0; number < keys; number++) {
    await cluster.put(cluster.nodeIds[0]!, `k${number}`, `${value}${number}`);
  }
}

function killAll(cluster: TestCluster): void {
  cluster.nodeIds.forEach((nodeId) => cluster.kill(nodeId));
}

/** The folder of a node that is not running. */
function offline(cluster: TestCluster, nodeId: string, kept: Kept, boot: number): OfflineFolder {
  const { disk, folder } = cluster.node(nodeId);
  const run = new Incarnation(`${nodeId}-offline`, 1);
  const { partitions, hashFunc, copies } = cluster.ring;
  return {
    home: {
      ...simStorageHome(disk, folder, run, () => `${nodeId} ${boot}`),
      keep: async (name, text) => void kept.set(name, (kept.get(name) ?? '') + text),
      release: () => run.kill(),
    },
    identity: { nodeId, partitions, hashFunc: hashFunc.name, copies },
    engine: 'simulated',
  };
}

async function plan(
  cluster: TestCluster,
  nodeIds: readonly string[],
  { gone = [], kept = new Map(), boot = 1 }: { gone?: readonly string[]; kept?: Kept; boot?: number } = {},
): Promise<RecoveryPlan> {
  const views: FolderView[] = [];
  for (const nodeId of nodeIds) {
    const { clock, log: logger } = cluster.node(nodeId);
    const folder = offline(cluster, nodeId, kept, boot);
    // Each look is a process of its own.
    views.push(await cluster.settle(inspect(folder, { clock, logger })));
  }
  return planRecovery(
    views.map((view) => ({ ...view, folder: offline(cluster, view.nodeId, kept, boot) })),
    gone,
  );
}

async function run(
  cluster: TestCluster,
  planned: RecoveryPlan,
  done: (sentence: string) => void = () => undefined,
) {
  for (const { folder } of planned.folders) {
    Object.assign(folder, { home: fresh(cluster, folder) });
  }
  const { clock, log: logger } = cluster.node('a');
  await cluster.settle(recover(planned, { clock, logger, random: new SimRandom('recover') }, done));
}

/** Opened as often as it takes, each time by a process of its own. */
function fresh(cluster: TestCluster, { home, identity }: OfflineFolder): OfflineFolder['home'] {
  let now = home;
  const { disk, folder } = cluster.node(identity.nodeId);
  return {
    where: home.where,
    openEngine: (given) => {
      const process = new Incarnation(`${identity.nodeId}-offline`, 1);
      now = {
        ...simStorageHome(disk, folder, process, () => ''),
        machineBootId: () => home.machineBootId(),
        release: () => process.kill(),
      };
      return now.openEngine(given);
    },
    logFiles: () => now.logFiles(),
    machineBootId: () => now.machineBootId(),
    keep: (name, text) => home.keep(name, text),
    release: () => now.release(),
  };
}

const verdicts = ({ groups }: RecoveryPlan): Verdict[] => [...new Set(groups.map(({ verdict }) => verdict))];

async function startAll(cluster: TestCluster, ...nodeIds: string[]): Promise<void> {
  const starting = nodeIds.length > 0 ? nodeIds : cluster.nodeIds;
  for (const nodeId of starting) {
    cluster
      .node(nodeId)
      .start()
      .catch(() => undefined);
  }
  await cluster.advance(20_000);
}

function groupsAt(cluster: TestCluster, nodeId: string): readonly StrongGroup[] {
  return [...(cluster.node(nodeId).strong as unknown as Inside).node.groups.values()];
}

function expectAllVoters(cluster: TestCluster, generation: number): void {
  const members = cluster.nodeIds.map((nodeId) => (cluster.node(nodeId).strong as unknown as Inside).member);
  for (const nodeId of cluster.nodeIds) {
    for (const group of groupsAt(cluster, nodeId)) {
      expect([...group.raft.configuration.voters].sort(), `${nodeId}, partition ${group.number}`).toEqual(
        members,
      );
      expect([group.generation, group.isWhole]).toEqual([generation, true]);
    }
    expect(cluster.node(nodeId).strong.unreadyReason).toBeUndefined();
  }
}

async function valuesAt(cluster: TestCluster, nodeId: string, keys = 10): Promise<(string | undefined)[]> {
  const values: (string | undefined)[] = [];
  for (let number = 0; number < keys; number++) {
    values.push(await cluster.get(nodeId, `k${number}`, READ));
  }
  return values;
}

const VALUES = Array.from({ length: 10 }, (_, number) => `v${number}`);

describe('two of three disks are gone for good', () => {
  it('and the folder that is left makes the cluster whole again, as a new generation', async () => {
    const cluster = await written(3);
    killAll(cluster);
    ['b', 'c'].forEach((nodeId) => cluster.node(nodeId).loseDisk());
    const kept: Kept = new Map();
    const planned = await plan(cluster, ['a'], { gone: ['b', 'c'], kept });
    expect(verdicts(planned)).toEqual(['forced']);
    await run(cluster, planned);
    expect(kept.get('recover.log')).toMatch(
      /"did":\["4 partitions and the cluster's configuration go on from here, led by a@/,
    );
    expect(verdicts(await plan(cluster, ['a']))).toEqual(['served']);
    await startAll(cluster);
    expectAllVoters(cluster, 2);
    expect(await valuesAt(cluster, 'b')).toEqual(VALUES);
    await cluster.put('c', 'k0', 'after');
    expect(await cluster.get('a', 'k0', READ)).toBe('after');
  });

  it('and if one comes back all the same, what it has is void', async () => {
    const cluster = await written(3);
    cluster.kill('a');
    await cluster.advance(3_000);
    await cluster.put('b', 'k0', 'unknown to a');
    killAll(cluster);
    await run(cluster, await plan(cluster, ['a'], { gone: ['b', 'c'] }));
    await startAll(cluster, 'a');
    expect(await valuesAt(cluster, 'a')).toEqual(VALUES);
    await startAll(cluster, 'b', 'c');
    expectAllVoters(cluster, 2);
    expect(await valuesAt(cluster, 'b')).toEqual(VALUES);
    // What is void stays void.
    cluster.kill('b');
    await startAll(cluster, 'b');
    expect(await valuesAt(cluster, 'b')).toEqual(VALUES);
  });
});

it('goes on from what is left where what was committed is in no folder any more, and says so', async () => {
  const cluster = await written(3);
  await cluster.advance(60_000);
  const copies = ['a', 'b'].map((nodeId) => [nodeId, cluster.node(nodeId).copy()] as const);
  await cluster.put('a', 'k0', 'nowhere');
  await cluster.advance(500);
  groupsAt(cluster, 'c').forEach((group) => {
    group.beginFetching();
    cluster.node('c').storage.strong.touch(group.number);
  });
  await cluster.settle(cluster.node('c').storage.checkpoint());
  killAll(cluster);
  copies.forEach(([nodeId, copy]) => cluster.node(nodeId).putBack(copy));
  cluster.nodeIds.forEach((nodeId) => cluster.node(nodeId).losePower());
  const planned = await plan(cluster, cluster.nodeIds, { boot: 2 });
  const { forced } = planned.groups[cluster.ring.partitionOf('k0')]!;
  expect(forced!.source.nodeId).not.toBe('c');
  expect(forced!.lacked).toBeGreaterThan(0);
  expect(describePlan(planned, false)).toMatch(/entries or more that were committed/);
  await run(cluster, planned);
  await startAll(cluster);
  expectAllVoters(cluster, 2);
  expect(await valuesAt(cluster, 'b')).toEqual(VALUES);
});

describe('all machines lost power, under the durability wal', () => {
  async function powerless(): Promise<TestCluster> {
    const cluster = await written(3);
    killAll(cluster);
    for (const nodeId of cluster.nodeIds) {
      cluster.node(nodeId).losePower();
    }
    return cluster;
  }

  it('and by themselves the nodes go on as nobody; by the command, as new voters with the longest log', async () => {
    const cluster = await powerless();
    const planned = await plan(cluster, cluster.nodeIds, { boot: 2 });
    expect(planned.folders.map(({ forgot }) => forgot !== undefined)).toEqual([true, true, true]);
    expect(verdicts(planned)).toEqual(['forced']);
    for (const { number, forced } of planned.groups) {
      const applied = planned.folders.map((folder) => folder.groups.get(number)?.applied ?? 0);
      expect(forced!.view.lastIndex).toBeGreaterThanOrEqual(Math.max(...applied));
    }
    await run(cluster, planned);
    const again = await plan(cluster, cluster.nodeIds, { boot: 2 });
    expect(verdicts(again)).toEqual(['served']);
    expect(again.voided).toEqual([]);
    await startAll(cluster);
    expectAllVoters(cluster, 2);
    // All of it was in a checkpoint of one of them.
    expect(await valuesAt(cluster, 'c')).toEqual(VALUES);
    await putAll(cluster, 'w');
    expect(await valuesAt(cluster, 'b')).toEqual(VALUES.map((value) => value.replace('v', 'w')));
  });

  it('and a crash of the command between two folders is mended by the next', async () => {
    const cluster = await powerless();
    const planned = await plan(cluster, cluster.nodeIds, { boot: 2 });
    const stopped = run(cluster, planned, (sentence) => {
      if (sentence.includes('are void')) {
        throw new Error('killed');
      }
    });
    await expect(stopped).rejects.toThrow('killed');
    const next = await plan(cluster, cluster.nodeIds, { boot: 2 });
    expect(verdicts(next)).toEqual(['served']);
    await run(cluster, next);
    expect((await plan(cluster, cluster.nodeIds, { boot: 2 })).voided).toEqual([]);
    await startAll(cluster);
    expectAllVoters(cluster, 2);
  });
});

describe('a segment of the log is missing', () => {
  /** A log of several segments of which no checkpoint has anything, and b without its first ones. */
  async function withoutSegment(): Promise<TestCluster> {
    const cluster = createTestCluster(3, {
      mode: 'strong',
      partitions: PARTITIONS,
      storage: { segmentBytesMax: 4_096, checkpointIntervalMs: 3_600_000 },
    });
    await cluster.start();
    await cluster.advance(2_000);
    await putAll(cluster, 'v');
    await cluster.advance(1_000);
    // Everything so far is in the stores; what follows is in the logs alone.
    for (const nodeId of cluster.nodeIds) {
      await cluster.settle(cluster.node(nodeId).storage.checkpoint());
    }
    await cluster.advance(2_000);
    for (let round = 0; round < 16; round++) {
      await putAll(cluster, 'w');
    }
    const { folder } = cluster.node('b');
    killAll(cluster);
    const files = folder.copy();
    const segments = [...files.keys()].filter((name) => name.endsWith('.seg')).sort();
    expect(segments.length).toBeGreaterThan(3);
    folder.putBack(new Map([...files].filter(([name]) => !segments.slice(0, 2).includes(name))));
    return cluster;
  }

  const NEW_VALUES = VALUES.map((value) => value.replace('v', 'w'));

  it('and its node goes on without it, as a new voter that the others bring up to date', async () => {
    const cluster = await withoutSegment();
    const planned = await plan(cluster, ['b']);
    expect(planned.cut.map(({ nodeId }) => nodeId)).toEqual(['b']);
    expect(planned.folders[0]!.damage).toMatchObject({ what: expect.stringContaining('missing') as string });
    await run(cluster, planned);
    await startAll(cluster);
    expectAllVoters(cluster, 1);
    expect(await valuesAt(cluster, 'b')).toEqual(NEW_VALUES);
    // The gap is closed for good.
    cluster.kill('b');
    await startAll(cluster, 'b');
    expectAllVoters(cluster, 1);
  });

  it('and what is behind it is not gone on from, but kept', async () => {
    const cluster = await withoutSegment();
    ['a', 'c'].forEach((nodeId) => cluster.node(nodeId).loseDisk());
    const kept: Kept = new Map();
    const planned = await plan(cluster, ['b'], { gone: ['a', 'c'], kept });
    expect(verdicts(planned)).toEqual(['forced']);
    for (const { forced } of planned.groups) {
      expect(forced!.view.lastIndex).toBe(forced!.view.applied);
    }
    await run(cluster, planned);
    expect([...kept.keys()].filter((name) => name.startsWith('dropped-'))).toHaveLength(1);
    await startAll(cluster);
    expectAllVoters(cluster, 2);
    expect(await valuesAt(cluster, 'c')).toEqual(VALUES);
  });
});

describe('nothing is forced', () => {
  it.each<[string, readonly string[], readonly string[], Verdict]>([
    ['where the folders have a majority', ['a', 'b'], [], 'served'],
    ['where others may serve it', ['a'], [], 'others'],
    ['where only some of the others are gone', ['a'], ['b'], 'others'],
  ])('%s', async (_, given, gone, verdict) => {
    const cluster = await written(3, 2);
    killAll(cluster);
    const planned = await plan(cluster, given, { gone });
    expect(verdicts(planned)).toEqual([verdict]);
    expect(planned.groups.some(({ forced }) => forced)).toBe(false);
  });

  it('where of a node nothing is known that may have more', async () => {
    const cluster = await written(3, 2);
    killAll(cluster);
    cluster.node('a').losePower();
    const planned = await plan(cluster, ['a'], { gone: ['b'], boot: 2 });
    expect(planned.groups.map(({ verdict, unknown }) => [verdict, unknown])).toEqual(
      Array.from({ length: PARTITIONS + 1 }, () => ['undecided', ['c']]),
    );
  });

  it('where half of the members are left, which mend it without an operator', async () => {
    const cluster = await written(2, 2);
    killAll(cluster);
    expect(verdicts(await plan(cluster, ['a'], { gone: ['b'] }))).toEqual(['by-itself']);
  });

  it('and looking changes nothing', async () => {
    const cluster = await written(3, 5);
    killAll(cluster);
    const { folder } = cluster.node('a');
    folder.flip(
      [...folder.names.keys()].find((name) => name.endsWith('.log') || /^\d|seg/.test(name))!,
      4_000,
    );
    const before = [...folder.copy()].map(([name, bytes]) => [name, bytes.toString('hex')]);
    const planned = await plan(cluster, ['a'], { gone: ['b', 'c'] });
    expect(planned.cut.map(({ nodeId }) => nodeId)).toEqual(['a']);
    expect([...folder.copy()].map(([name, bytes]) => [name, bytes.toString('hex')])).toEqual(before);
  });
});
