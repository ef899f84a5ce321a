/** Suspicions of a review, each as a spec. */
import { afterEach, describe, expect, it, vi } from 'vitest';

import { groupsOf, memberOf } from '../../testing/simulation/group-facts.js';
import {
  blackout,
  putAll,
  startNodes,
  strongCluster,
  wrongVoters,
} from '../../testing/simulation/strong-cluster.js';
import { type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { NodeStorage } from '../storage/node-storage.js';
import { Snapshots } from './snapshots.js';
import { DroppedEntries } from './dropped-entries.js';
import { StrongGroup } from './strong-group.js';
import { RaftGroup } from '../raft/raft-group.js';
import { testGroup } from '../../testing/raft-test-group.js';

afterEach(() => vi.restoreAllMocks());

const groupAt = (cluster: TestCluster, nodeId: string) => groupsOf(cluster.node(nodeId))!.get(0)!;
const forget = (cluster: TestCluster, nodeId: string) =>
  (
    cluster.node(nodeId).strong as unknown as { forgetting: { begin(reason: string): void } }
  ).forgetting.begin('of a test');

describe('D: a member whose records are void', () => {
  it.each([0, 500])(
    'and that alone has the log, finds records that end before what it had applied (%i ms)',
    async (wait) => {
      const cluster = await strongCluster(3, { partitions: 1 });
      await putAll(cluster, 'old');
      await cluster.advance(60_000);
      cluster.partition(['a'], ['b', 'c']);
      await cluster.advance(5_000);
      await cluster.put('b', 'k0', 'new0');
      await cluster.advance(wait);
      cluster.kill('a');
      cluster.heal();
      cluster.kill('b');
      cluster.node('b').losePower();
      groupAt(cluster, 'c').beginFetching();
      startNodes(cluster, ['a', 'b']);
      await cluster.advance(300_000);
      expect(wrongVoters(cluster)).toEqual([]);
      expect(await cluster.get('a', 'k0', { level: 'linearizable' })).toBe('new0');
    },
  );
});

describe('A: a snapshot that is taken over while the node becomes another voter', () => {
  it('begins the log anew on the disk, too', async () => {
    const cluster = await strongCluster(3, { partitions: 1, storage: { checkpointIntervalMs: 600_000 } });
    await putAll(cluster, 'old');
    const old = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
    const others = cluster.nodeIds.filter((nodeId) => nodeId !== old);
    cluster.partition([old], others);
    // The old leader appends what nobody ever commits.
    const { raft } = groupAt(cluster, old);
    for (let n = 0; n < 40; n++) {
      raft.propose('empty', new Uint8Array(0));
    }
    await cluster.advance(5_000);
    for (let n = 0; n < 5; n++) {
      await cluster.put(others[0]!, `k${n}`, `new${n}`);
    }
    await cluster.advance(500);
    for (const nodeId of others) {
      const group = groupAt(cluster, nodeId);
      group.raft.compact(group.applied);
    }
    const original = StrongGroup.prototype.install;
    let isBegun = false;
    vi.spyOn(StrongGroup.prototype, 'install').mockImplementation(function (this: StrongGroup, ...given) {
      original.apply(this, given);
      if (!isBegun) {
        isBegun = true;
        forget(cluster, old);
      }
    });
    cluster.heal();
    await cluster.advance(20_000);
    expect(isBegun).toBe(true);
    expect(wrongVoters(cluster)).toEqual([]);
    for (let n = 0; n < 3; n++) {
      await cluster.put(others[0]!, `k${n}`, `after${n}`);
    }
    await cluster.advance(500);
    const { lastIndex, lastTerm } = groupAt(cluster, old).raft;
    cluster.partition([old], others);
    cluster.kill(old);
    startNodes(cluster, [old]);
    await cluster.advance(1_000);
    expect(groupAt(cluster, old).raft).toMatchObject({ lastIndex, lastTerm });
  });

  it('so nothing that was acknowledged is lost where the process ends then', async () => {
    const cluster = await strongCluster(3, { partitions: 1, storage: { checkpointIntervalMs: 600_000 } });
    await putAll(cluster, 'old');
    const old = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
    const others = cluster.nodeIds.filter((nodeId) => nodeId !== old) as [string, string];
    cluster.partition([old], others);
    const { raft } = groupAt(cluster, old);
    for (let n = 0; n < 40; n++) {
      raft.propose('empty', new Uint8Array(0));
    }
    await cluster.advance(5_000);
    for (let n = 0; n < 5; n++) {
      await cluster.put(others[0], `k${n}`, `new${n}`);
    }
    await cluster.advance(500);
    for (const nodeId of others) {
      const group = groupAt(cluster, nodeId);
      group.raft.compact(group.applied);
    }
    const original = StrongGroup.prototype.install;
    let isBegun = false;
    vi.spyOn(StrongGroup.prototype, 'install').mockImplementation(function (this: StrongGroup, ...given) {
      original.apply(this, given);
      if (!isBegun) {
        isBegun = true;
        forget(cluster, old);
      }
    });
    cluster.heal();
    await cluster.advance(20_000);
    expect(wrongVoters(cluster)).toEqual([]);
    // The leader and the one that became another voter acknowledge it.
    const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
    const [witness, away] = leader === old ? others : [leader, others.find((nodeId) => nodeId !== leader)!];
    cluster.partition([away], [old, witness]);
    await cluster.advance(3_000);
    await cluster.put(witness, 'k0', 'after0');
    await cluster.advance(500);
    cluster.kill(old);
    cluster.kill(witness);
    cluster.heal();
    startNodes(cluster, [old]);
    await cluster.advance(10_000);
    expect(await cluster.get(away, 'k0', { level: 'linearizable' })).toBe('after0');
    startNodes(cluster, [witness]);
    await cluster.advance(10_000);
    expect(await cluster.get(witness, 'k0', { level: 'linearizable' })).toBe('after0');
  });
});

describe('C: a process that ends between the snapshot in its store and the log that begins anew', () => {
  it('keeps what it acknowledges after that', async () => {
    const cluster = await strongCluster(3, { partitions: 1, storage: { checkpointIntervalMs: 600_000 } });
    await putAll(cluster, 'old');
    const old = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
    const others = cluster.nodeIds.filter((nodeId) => nodeId !== old) as [string, string];
    cluster.partition([old], others);
    const { raft } = groupAt(cluster, old);
    for (let n = 0; n < 40; n++) {
      raft.propose('empty', new Uint8Array(0));
    }
    await cluster.advance(5_000);
    for (let n = 0; n < 5; n++) {
      await cluster.put(others[0], `k${n}`, `new${n}`);
    }
    await cluster.advance(500);
    for (const nodeId of others) {
      const group = groupAt(cluster, nodeId);
      group.raft.compact(group.applied);
    }
    let isKilled = false;
    const restore = vi.spyOn(RaftGroup.prototype, 'restore').mockImplementation(() => {
      restore.mockRestore();
      cluster.kill(old);
      isKilled = true;
    });
    cluster.heal();
    await cluster.advance(5_000);
    expect(isKilled).toBe(true);
    startNodes(cluster, [old]);
    await cluster.advance(10_000);
    expect(wrongVoters(cluster)).toEqual([]);
    const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
    const [witness, away] = leader === old ? others : [leader, others.find((nodeId) => nodeId !== leader)!];
    cluster.partition([away], [old, witness]);
    await cluster.advance(3_000);
    await cluster.put(witness, 'k0', 'after0');
    await cluster.advance(500);
    cluster.kill(old);
    cluster.kill(witness);
    cluster.heal();
    startNodes(cluster, [old]);
    await cluster.advance(10_000);
    expect(await cluster.get(away, 'k0', { level: 'linearizable' })).toBe('after0');
  });
});

describe('B: with nobody to lead', () => {
  it.each([0, 1, 2])(
    'records are asked of all others in turn, also where one says "not now" (%i)',
    async (at) => {
      const cluster = await strongCluster(3, { partitions: 1 });
      await putAll(cluster, 'old');
      await cluster.advance(60_000);
      const { list } = groupAt(cluster, 'a');
      const self = list[at]!;
      const asked = new Set<string>();
      const fetch = Snapshots.prototype.fetch;
      vi.spyOn(Snapshots.prototype, 'fetch').mockImplementation(function (this: Snapshots, group, from) {
        if (group === groupAt(cluster, self)) {
          if (!this.isFetching(0)) asked.add(from);
          fetch.call(this, group, from);
        }
      });
      // Both others can serve nothing now.
      for (const nodeId of list) {
        vi.spyOn(groupAt(cluster, nodeId).raft, 'leader', 'get').mockReturnValue(undefined);
        groupAt(cluster, nodeId).beginFetching();
      }
      await cluster.advance(120_000);
      expect(asked.size).toBe(2);
    },
  );
});

describe('E: what a recovery makes void', () => {
  it('is not written again and again where the medium never says that it is there', async () => {
    let file = '';
    const errors: string[] = [];
    const logger = { warn: () => undefined, error: (text: string) => errors.push(text) };
    const dropped = new DroppedEntries({
      logger: logger as never,
      keep: async (_name, text) => {
        file += text;
        throw new Error('EIO: fsync');
      },
      isVolatile: false,
    });
    const raft = testGroup([1, 1, 1]);
    const group = { number: 0, applied: 0, raft } as unknown as StrongGroup;
    // As often as the one that leads says something in half a minute.
    for (let message = 0; message < 100; message++) {
      dropped.areKept(group, 2);
      await Promise.resolve();
      await Promise.resolve();
    }
    expect(file.split('\n').length - 1).toBeLessThan(3 * 10);
    expect(errors.length).toBeLessThan(10);
  });

  it('is not said to be in a file where nothing is kept on a disk', () => {
    const warnings: string[] = [];
    const logger = { warn: (text: string) => warnings.push(text), error: () => undefined };
    const dropped = new DroppedEntries({
      logger: logger as never,
      keep: async () => undefined,
      isVolatile: true,
    });
    const group = { number: 0, applied: 0, raft: testGroup([1, 1, 1]) } as unknown as StrongGroup;
    expect(dropped.areKept(group, 2)).toBe(true);
    expect(warnings).toEqual([expect.not.stringContaining('.jsonl')]);
  });
});

describe('G: a member that has promised a recovery while its records are void', () => {
  it('still takes them over: nobody else has what was acknowledged', async () => {
    const cluster = await strongCluster(3, { partitions: 1, storage: { checkpointIntervalMs: 600_000 } });
    await putAll(cluster, 'old');
    await cluster.settle(
      Promise.all(cluster.nodeIds.map((nodeId) => cluster.node(nodeId).storage.checkpoint())),
    );
    const [a, b, c] = groupAt(cluster, 'a').list as [string, string, string];
    cluster.partition([b], [a, c]);
    await cluster.advance(5_000);
    await cluster.put(a, 'k0', 'new0');
    blackout(cluster);
    cluster.heal();
    const receive = vi.spyOn(Snapshots.prototype, 'receive').mockReturnValue();
    startNodes(cluster);
    let step = 0;
    cluster.watch(() => {
      if (step === 0 && cluster.nodeIds.every((nodeId) => groupsOf(cluster.node(nodeId))?.get(0))) {
        step = 1;
        forget(cluster, a);
        forget(cluster, b);
        groupAt(cluster, a).beginFetching();
      } else if (step === 1 && groupAt(cluster, a).isPromised) {
        step = 2;
        cluster.kill(c);
        cluster.node(c).losePower();
      }
    });
    await cluster.advance(20_000);
    expect(step).toBe(2);
    receive.mockRestore();
    startNodes(cluster, [c]);
    await cluster.advance(600_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await cluster.get(a, 'k0', { level: 'linearizable' })).toBe('new0');
  });
});

describe('H: a member that follows a generation which it has promised', () => {
  it('is no other voter because what becomes void takes long to be kept', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    await putAll(cluster, 'old');
    await cluster.advance(60_000);
    const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
    const others = cluster.nodeIds.filter((nodeId) => nodeId !== leader);
    cluster.partition([leader], others);
    await cluster.put(leader, 'k0', 'alone', { timeoutMs: 500 }).catch(() => undefined);
    await cluster.advance(5_000);
    await cluster.put(others[0]!, 'k0', 'new0');
    await cluster.advance(60_000);
    blackout(cluster, ...others);
    cluster.heal();
    let isKept = false;
    const keep = NodeStorage.prototype.keep;
    vi.spyOn(NodeStorage.prototype, 'keep').mockImplementation(async function (this: NodeStorage, ...given) {
      while (!isKept) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return keep.apply(this, given);
    });
    startNodes(cluster);
    await cluster.advance(1_000);
    const before = memberOf(cluster.node(leader));
    await cluster.advance(60_000);
    expect(groupAt(cluster, leader).generation).toBe(1);
    isKept = true;
    await cluster.advance(30_000);
    expect(groupAt(cluster, leader).generation).toBe(2);
    expect(memberOf(cluster.node(leader))).toBe(before);
    expect(wrongVoters(cluster)).toEqual([]);
  });
});
