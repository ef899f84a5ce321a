/** A majority of every group's voters has forgotten, and all nodes are there again: rule 13, the half that needs all. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { groupsOf } from '../../testing/simulation/group-facts.js';
import {
  blackout,
  membersOf,
  putAll,
  startNodes,
  strongCluster,
  valuesOf,
  wrongVoters,
} from '../../testing/simulation/strong-cluster.js';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { NodeStorage } from '../storage/node-storage.js';
import { type RecoveryRounds } from './recovery-rounds.js';
import { StrongGroup } from './strong-group.js';

const NODES = ['a', 'b', 'c'] as const;

afterEach(() => vi.restoreAllMocks());

/** What a spec looks at inside of the strong mode. */
interface Inside {
  readonly recovery: RecoveryRounds;
}

const inside = (cluster: TestCluster, nodeId: string) => cluster.node(nodeId).strong as unknown as Inside;
const listOf = (cluster: TestCluster, nodeId: string) => [
  ...(groupsOf(cluster.node(nodeId))?.values() ?? []),
];

async function startAgain(cluster: TestCluster, nodeIds?: readonly string[]): Promise<void> {
  startNodes(cluster, nodeIds);
  await cluster.advance(15_000);
}

/** Calls `then` once a member of a group has just done it, the first time. */
function afterFirst(method: 'recover' | 'promise', then: () => void): void {
  const prototype = StrongGroup.prototype as unknown as Record<typeof method, (...given: unknown[]) => void>;
  const original = prototype[method];
  let isFirst = true;
  vi.spyOn(prototype, method).mockImplementation(function (this: StrongGroup, ...given) {
    original.apply(this, given);
    if (isFirst) {
      isFirst = false;
      then();
    }
  });
}

describe('of three nodes that lose power at once while their logs are not synced', () => {
  it('all are voters again by themselves, with what had reached a disk', async () => {
    const cluster = await strongCluster(3);
    await putAll(cluster, 'old');
    await cluster.advance(60_000);
    await putAll(cluster, 'new');
    blackout(cluster, ...NODES);
    await startAgain(cluster);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(['old', 'new']).toEqual(expect.arrayContaining(await valuesOf(cluster)));
    await putAll(cluster, 'after');
    expect(await valuesOf(cluster)).toEqual(['after']);
  });

  it('what one of them still has of what was acknowledged counts', async () => {
    for (const kept of NODES) {
      const cluster = await strongCluster(3);
      await putAll(cluster, 'new');
      blackout(cluster, ...NODES.filter((nodeId) => nodeId !== kept));
      await startAgain(cluster);
      expect(wrongVoters(cluster)).toEqual([]);
      expect(await valuesOf(cluster)).toEqual(['new']);
    }
  });

  it('the last one is waited for, and until then nobody has promised anything', async () => {
    const cluster = await strongCluster(3);
    await putAll(cluster, 'new');
    blackout(cluster, 'a', 'b');
    await startAgain(cluster, ['a', 'b']);
    expect((await rejected(cluster.put('a', 'k0', 'early'))).code).toBe('DKV_QUORUM_NOT_REACHED');
    expect(listOf(cluster, 'a').some((group) => group.isPromised)).toBe(false);
    await startAgain(cluster, ['c']);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });

  it('versions go on above all that were given', async () => {
    const cluster = await strongCluster(3);
    const before = await cluster.put('a', 'k0', 'before');
    blackout(cluster, ...NODES);
    await startAgain(cluster);
    const after = await cluster.put('a', 'k0', 'after');
    expect(after.version > before.version).toBe(true);
  });

  it.each([100, 1_000, 4_000, 8_000])(
    'they go on where each write to a disk takes %i ms from the first promise on',
    async (delayMs) => {
      const cluster = await strongCluster(3, { partitions: 1 });
      await putAll(cluster, 'new');
      const delay = { minMs: delayMs, meanMs: delayMs, maxMs: delayMs };
      afterFirst('promise', () =>
        NODES.forEach((nodeId) => cluster.node(nodeId).disk.setFaults({ writeDelay: delay })),
      );
      blackout(cluster, 'a', 'b');
      await startAgain(cluster);
      await cluster.advance(180_000);
      expect(listOf(cluster, 'c')[0]!.generation).toBeGreaterThan(1);
      NODES.forEach((nodeId) => cluster.node(nodeId).disk.heal());
      await cluster.advance(60_000);
      expect(wrongVoters(cluster)).toEqual([]);
      expect(await valuesOf(cluster)).toEqual(['new']);
    },
  );

  it('and two of them again while they are taken in', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    await putAll(cluster, 'new');
    blackout(cluster, 'a', 'b');
    let isStruck = false;
    cluster.watch(() => {
      const leading = listOf(cluster, 'c').some(
        ({ raft }) => raft.role === 'leader' && raft.configuration.voters.length === 3,
      );
      if (leading && !isStruck) {
        isStruck = true;
        for (const nodeId of ['a', 'b']) {
          cluster.kill(nodeId);
          cluster.node(nodeId).losePower();
        }
      }
    });
    await startAgain(cluster);
    expect(isStruck).toBe(true);
    await startAgain(cluster, ['a', 'b']);
    await cluster.advance(45_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });

  it('and two of them again and again before the third is there', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    await putAll(cluster, 'new');
    await cluster.advance(60_000);
    blackout(cluster, 'a', 'b');
    for (let time = 0; time < 10; time++) {
      startNodes(cluster, ['a', 'b']);
      await cluster.advance(3_000);
      blackout(cluster, 'a', 'b');
    }
    await startAgain(cluster);
    await cluster.advance(45_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });

  it('what was promised then binds nobody any more', async () => {
    const cluster = await strongCluster(3);
    blackout(cluster, ...NODES);
    await startAgain(cluster);
    expect(wrongVoters(cluster)).toEqual([]);
    for (const nodeId of NODES) {
      cluster.kill(nodeId);
      await cluster.start(nodeId);
      for (const { number, generation } of listOf(cluster, nodeId)) {
        expect([generation, inside(cluster, nodeId).recovery.promisedIn(number)]).toEqual([2, 0]);
      }
    }
  });

  it('and it was just born, they go on, too', async () => {
    const cluster = createTestCluster(3, { mode: 'strong', partitions: 4 });
    await cluster.start();
    blackout(cluster, ...NODES);
    await startAgain(cluster);
    expect(wrongVoters(cluster)).toEqual([]);
    await putAll(cluster, 'after');
    expect(await valuesOf(cluster)).toEqual(['after']);
  });
});

describe('the member that begins', () => {
  it('keeps all that it has where its first append fails', async () => {
    const cluster = await strongCluster(3);
    await putAll(cluster, 'new');
    blackout(cluster, 'a', 'b');
    const { folder } = cluster.node('c');
    afterFirst('recover', () => {
      folder.setFaults({ writeErrorRate: 1, writeErrorCode: 'EMFILE' });
      cluster.scheduler.after(400, () => folder.heal());
    });
    await startAgain(cluster);
    await cluster.advance(25_000);
    expect(listOf(cluster, 'c')[0]!.generation).toBeGreaterThan(1);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });

  it('makes nobody forget where its disk is slow', async () => {
    const cluster = await strongCluster(3);
    await putAll(cluster, 'new');
    blackout(cluster, 'a', 'b');
    let members: readonly string[] = [];
    afterFirst('recover', () => {
      members = membersOf(cluster);
      const { disk } = cluster.node('c');
      disk.setFaults({ writeDelay: { minMs: 9_000, meanMs: 9_000, maxMs: 9_000 } });
      cluster.scheduler.after(9_000, () => disk.heal());
    });
    await startAgain(cluster);
    await cluster.advance(45_000);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
    expect(membersOf(cluster)).toEqual(members);
  });
});

describe('a partition with one copy', () => {
  it.each([1, 2])('goes on after its machine lost power, of %i', async (size) => {
    const cluster = await strongCluster(size, { replicas: 0 });
    await putAll(cluster, 'old');
    await cluster.advance(60_000);
    await putAll(cluster, 'new');
    const { version } = await cluster.put('a', 'k0', 'new0');
    blackout(cluster, ...cluster.nodeIds);
    await startAgain(cluster);
    expect(['old', 'new']).toEqual(expect.arrayContaining(await valuesOf(cluster)));
    const after = await cluster.put('a', 'k0', 'after0');
    expect(after.version > version).toBe(true);
  });
});

describe('where a majority left no folder', () => {
  it('nobody goes on: an operator may still have them, and with them all that was acknowledged is there', async () => {
    const cluster = await strongCluster(3);
    await putAll(cluster, 'new');
    blackout(cluster);
    const copies = new Map(['b', 'c'].map((nodeId) => [nodeId, cluster.node(nodeId).copy()]));
    copies.forEach((_, nodeId) => cluster.node(nodeId).loseDisk());
    await startAgain(cluster);
    expect((await rejected(cluster.put('a', 'k0', 'early'))).code).toBe('DKV_QUORUM_NOT_REACHED');
    expect(listOf(cluster, 'a').some((group) => group.isPromised)).toBe(false);
    blackout(cluster);
    copies.forEach((copy, nodeId) => cluster.node(nodeId).putBack(copy));
    await startAgain(cluster);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });

  it('they go on at once where nothing is kept on a disk', async () => {
    vi.spyOn(NodeStorage.prototype, 'isVolatile', 'get').mockReturnValue(true);
    const cluster = await strongCluster(3);
    await putAll(cluster, 'new');
    for (const nodeId of ['b', 'c']) {
      cluster.kill(nodeId);
      cluster.node(nodeId).loseDisk();
    }
    await startAgain(cluster, ['b', 'c']);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });
});

describe('a generation is on the medium before others give up what they have for it', () => {
  /** The member that begins loses power at the very moment at which another one has heard of it. */
  async function loseTheFirst(): Promise<TestCluster> {
    const cluster = await strongCluster(3);
    await putAll(cluster, 'old');
    await cluster.advance(60_000);
    blackout(cluster, ...NODES);
    // So that nothing is on the medium by chance when the other one hears of it.
    const syncDelay = { minMs: 200, meanMs: 200, maxMs: 200 };
    NODES.forEach((nodeId) => cluster.node(nodeId).disk.setFaults({ syncDelay }));
    let struck: string | undefined;
    cluster.watch(() => {
      for (const nodeId of NODES) {
        const fetching = listOf(cluster, nodeId).find((group) => group.isFetching);
        const leader = fetching && NODES.find((other) => fetching.raft.leader?.startsWith(`${other}@`));
        if (struck === undefined && leader !== undefined) {
          struck = leader;
          cluster.kill(leader);
          cluster.node(leader).losePower();
        }
      }
    });
    await startAgain(cluster);
    startNodes(cluster, [struck!]);
    await cluster.advance(30_000);
    return cluster;
  }

  it('so nothing is lost when its machine goes down then', async () => {
    const cluster = await loseTheFirst();
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['old']);
  });

  it('or all would be lost', async () => {
    vi.spyOn(StrongGroup.prototype, 'isSilent', 'get').mockReturnValue(false);
    const cluster = await loseTheFirst();
    await expect(valuesOf(cluster)).rejects.toThrow();
  });
});
