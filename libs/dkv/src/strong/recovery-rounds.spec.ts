/** A majority of every group's voters has forgotten, and all nodes are there again: rule 13, the half that needs all. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { checkGroupInvariants } from '../../testing/simulation/raft-invariants.js';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { isDkvError } from '../dkv.errors.js';
import { type Peer } from '../cluster/peers.js';
import { type NodeMessage } from '../model/node-messages.js';
import { type MemberId } from '../model/raft-messages.js';
import { NodeStorage } from '../storage/node-storage.js';
import { type GroupList } from './group-list.js';
import { promisesOf } from './recovery-promises.js';
import { type RecoveryRounds } from './recovery-rounds.js';
import { StrongGroup } from './strong-group.js';

const READ = { level: 'linearizable' } as const;
const NODES = ['a', 'b', 'c'] as const;
const PARTITIONS = 4;
const STORMS = 40;

afterEach(() => vi.restoreAllMocks());

/** What a spec looks at inside of the strong mode. */
interface Inside {
  readonly member: MemberId;
  readonly node: { readonly groups: GroupList; say(nodeId: string, message: NodeMessage): void };
  readonly recovery: RecoveryRounds;
}

const inside = (cluster: TestCluster, nodeId: string) => cluster.node(nodeId).strong as unknown as Inside;
const groupsOf = (cluster: TestCluster, nodeId: string) => [...inside(cluster, nodeId).node.groups.values()];

async function strongCluster(
  options: { readonly size?: number; readonly seed?: number; readonly replicas?: number } = {},
) {
  const cluster = createTestCluster(options.size ?? NODES.length, {
    mode: 'strong',
    partitions: PARTITIONS,
    ...(options.replicas === undefined ? {} : { replicas: options.replicas }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  });
  await cluster.start();
  await cluster.advance(2_000);
  return cluster;
}

async function putAll(cluster: TestCluster, value: string): Promise<void> {
  for (let key = 0; key < 12; key++) {
    await cluster.put(cluster.nodeIds[key % cluster.nodeIds.length]!, `k${key}`, `${value}${key}`);
  }
}

async function expectAll(cluster: TestCluster, value: string): Promise<void> {
  for (let key = 0; key < 12; key++) {
    expect(await cluster.get('a', `k${key}`, READ)).toBe(`${value}${key}`);
  }
}

/** All go down at once; of the machines named, what was not synced may be lost. */
function blackout(cluster: TestCluster, ...powerless: string[]): void {
  cluster.nodeIds.forEach((nodeId) => cluster.kill(nodeId));
  powerless.forEach((nodeId) => cluster.node(nodeId).losePower());
}

async function startAgain(cluster: TestCluster, nodeIds: readonly string[] = cluster.nodeIds): Promise<void> {
  const started = Promise.all(nodeIds.map((nodeId) => cluster.node(nodeId).start()));
  started.catch(() => undefined);
  await cluster.advance(15_000);
}

/** Every node votes in every group, as the member that it is now. */
function expectWhole(cluster: TestCluster): void {
  const members = cluster.nodeIds.map((nodeId) => inside(cluster, nodeId).member).sort();
  for (const nodeId of cluster.nodeIds) {
    for (const { raft } of groupsOf(cluster, nodeId)) {
      expect([...raft.configuration.voters].sort()).toEqual(members);
      expect(raft.configuration.outgoing).toEqual([]);
    }
    expect(cluster.node(nodeId).processor.unreadyReason).toBeUndefined();
  }
}

describe('of three nodes that lose power at once while their logs are not synced', () => {
  it('all are voters again by themselves, with what had reached a disk', async () => {
    const cluster = await strongCluster();
    await putAll(cluster, 'old');
    await cluster.advance(60_000);
    await putAll(cluster, 'new');
    blackout(cluster, ...NODES);
    await startAgain(cluster);
    expectWhole(cluster);
    for (let key = 0; key < 12; key++) {
      expect([`old${key}`, `new${key}`]).toContain(await cluster.get('a', `k${key}`, READ));
    }
    await putAll(cluster, 'after');
    await expectAll(cluster, 'after');
  });

  it('what one of them still has of what was acknowledged counts', async () => {
    for (const kept of NODES) {
      const cluster = await strongCluster();
      await putAll(cluster, 'new');
      blackout(cluster, ...NODES.filter((nodeId) => nodeId !== kept));
      await startAgain(cluster);
      expectWhole(cluster);
      await expectAll(cluster, 'new');
    }
  });

  it('the last one is waited for, and until then nobody has promised anything', async () => {
    const cluster = await strongCluster();
    await putAll(cluster, 'new');
    blackout(cluster, 'a', 'b');
    await startAgain(cluster, ['a', 'b']);
    expect((await rejected(cluster.put('a', 'k0', 'early'))).code).toBe('DKV_QUORUM_NOT_REACHED');
    expect(groupsOf(cluster, 'a').some((group) => group.isPromised)).toBe(false);
    await startAgain(cluster, ['c']);
    expectWhole(cluster);
    await expectAll(cluster, 'new');
  });

  it('versions go on above all that were given', async () => {
    const cluster = await strongCluster();
    const before = await cluster.put('a', 'k0', 'before');
    blackout(cluster, ...NODES);
    await startAgain(cluster);
    const after = await cluster.put('a', 'k0', 'after');
    expect(after.version > before.version).toBe(true);
  });

  it('all go on where a promise takes seconds to be on the disk', async () => {
    const cluster = await strongCluster();
    await putAll(cluster, 'new');
    const { checkpoint: original } = NodeStorage.prototype as unknown as { checkpoint: () => Promise<void> };
    vi.spyOn(NodeStorage.prototype, 'checkpoint').mockImplementation(async function (this: NodeStorage) {
      await new Promise<void>((resolve) => cluster.node('a').clock.schedule(3_000, resolve));
      return original.call(this);
    });
    blackout(cluster, 'b', 'c');
    await startAgain(cluster);
    await cluster.advance(45_000);
    expectWhole(cluster);
    await expectAll(cluster, 'new');
  });

  it('what was promised then binds nobody any more', async () => {
    const cluster = await strongCluster();
    blackout(cluster, ...NODES);
    await startAgain(cluster);
    expectWhole(cluster);
    for (const nodeId of NODES) {
      cluster.kill(nodeId);
      await cluster.start(nodeId);
      for (const { number, generation } of groupsOf(cluster, nodeId)) {
        expect([generation, inside(cluster, nodeId).recovery.promisedIn(number)]).toEqual([2, 0]);
      }
    }
  });

  it('and it was just born, they go on, too', async () => {
    const cluster = createTestCluster(3, { mode: 'strong', partitions: PARTITIONS });
    await cluster.start();
    blackout(cluster, ...NODES);
    await startAgain(cluster);
    expectWhole(cluster);
    await putAll(cluster, 'after');
    await expectAll(cluster, 'after');
  });
});

describe('a partition with one copy', () => {
  it('goes on after its machine lost power', async () => {
    const cluster = await strongCluster({ size: 2, replicas: 0 });
    await putAll(cluster, 'old');
    await cluster.advance(60_000);
    blackout(cluster, 'a', 'b');
    await startAgain(cluster);
    await expectAll(cluster, 'old');
    await putAll(cluster, 'after');
  });
});

describe('where a majority left no folder', () => {
  it('nobody goes on: an operator may still have them, and with them all that was acknowledged is there', async () => {
    const cluster = await strongCluster();
    await putAll(cluster, 'new');
    blackout(cluster);
    const copies = new Map(['b', 'c'].map((nodeId) => [nodeId, cluster.node(nodeId).copy()]));
    copies.forEach((_, nodeId) => cluster.node(nodeId).loseDisk());
    await startAgain(cluster);
    expect((await rejected(cluster.put('a', 'k0', 'early'))).code).toBe('DKV_QUORUM_NOT_REACHED');
    expect(groupsOf(cluster, 'a').some((group) => group.isPromised)).toBe(false);
    blackout(cluster);
    copies.forEach((copy, nodeId) => cluster.node(nodeId).putBack(copy));
    await startAgain(cluster);
    await expectAll(cluster, 'new');
  });

  it('they go on at once where nothing is kept on a disk', async () => {
    vi.spyOn(NodeStorage.prototype, 'isVolatile', 'get').mockReturnValue(true);
    const cluster = await strongCluster();
    await putAll(cluster, 'new');
    for (const nodeId of ['b', 'c']) {
      cluster.kill(nodeId);
      cluster.node(nodeId).loseDisk();
    }
    await startAgain(cluster, ['b', 'c']);
    expectWhole(cluster);
    await expectAll(cluster, 'new');
  });
});

describe('a promise', () => {
  /** As if a member had asked for it that then came to nothing. */
  async function promised(): Promise<TestCluster> {
    const cluster = await strongCluster();
    await putAll(cluster, 'new');
    const { recovery } = inside(cluster, 'c');
    const [group] = groupsOf(cluster, 'c');
    group!.raft.leaderLost();
    recovery.asked({ nodeId: 'a', member: 'a@1' } as Peer, {
      kind: 'recoverAsk',
      group: group!.number,
      generation: 9,
    });
    await cluster.advance(50);
    expect(group!.holdsPromise(9)).toBe(true);
    return cluster;
  }

  it('is on the medium when it is given', async () => {
    const cluster = await promised();
    cluster.kill('c');
    cluster.node('c').losePower();
    await cluster.start('c');
    const promises = await cluster.settle(promisesOf(cluster.node('c').local));
    expect([...promises.values()].map(({ generation }) => generation)).toEqual([9]);
  });

  it('is given once, and nothing of an older generation is heard after it', async () => {
    const cluster = await promised();
    const [group] = groupsOf(cluster, 'c');
    const { lastIndex } = group!.raft;
    const reports: boolean[] = [];
    const { recovery, node } = inside(cluster, 'c');
    vi.spyOn(node, 'say').mockImplementation((_, message) => {
      if (message.kind === 'recoverReport') {
        reports.push(message.report.holds);
      }
    });
    const ask = (nodeId: string, generation: number) =>
      recovery.asked({ nodeId, member: `${nodeId}@1` } as Peer, {
        kind: 'recoverAsk',
        group: group!.number,
        generation,
      });
    ask('a', 9);
    ask('b', 8);
    ask('b', 9);
    for (let key = 0; key < 12; key++) {
      await cluster.put('a', `k${key}`, 'more');
    }
    expect(group!.raft.lastIndex).toBe(lastIndex);
    expect(reports).toEqual([true, false, false]);
  });

  it('that came to nothing does not keep a node out: it comes back as another voter', async () => {
    const cluster = await promised();
    const { member } = inside(cluster, 'c');
    await cluster.advance(20_000);
    expect(inside(cluster, 'c').member).not.toBe(member);
    expectWhole(cluster);
    await expectAll(cluster, 'new');
  });
});

describe('a generation is on the medium before others give up what they have for it', () => {
  /** The member that begins loses power at the very moment at which another one has heard of it. */
  async function loseTheFirst(): Promise<TestCluster> {
    const cluster = await strongCluster();
    await putAll(cluster, 'old');
    await cluster.advance(60_000);
    blackout(cluster, ...NODES);
    let struck: string | undefined;
    cluster.watch(() => {
      for (const nodeId of NODES) {
        const strong = cluster.node(nodeId).strong as unknown as Inside | undefined;
        const fetching = [...(strong?.node.groups.values() ?? [])].find((group) => group.isFetching);
        const leader = fetching && NODES.find((other) => fetching.raft.leader?.startsWith(`${other}@`));
        if (struck === undefined && leader !== undefined) {
          struck = leader;
          cluster.kill(leader);
          cluster.node(leader).losePower();
        }
      }
    });
    NODES.forEach((nodeId) => void cluster.node(nodeId).start());
    await cluster.advance(15_000);
    void cluster.node(struck!).start();
    await cluster.advance(30_000);
    return cluster;
  }

  it('so nothing is lost when its machine goes down then', async () => {
    const cluster = await loseTheFirst();
    expectWhole(cluster);
    await expectAll(cluster, 'old');
  });

  it('or all would be lost', async () => {
    vi.spyOn(StrongGroup.prototype, 'isSilent', 'get').mockReturnValue(false);
    const cluster = await loseTheFirst();
    let lost = 0;
    for (let key = 0; key < 12; key++) {
      await cluster.get('a', `k${key}`, READ).catch(() => lost++);
    }
    expect(lost).toBeGreaterThan(0);
  });
});

/**
 * While three nodes recover, they are killed and lose power again. Nothing that was told before may be told again, one history
 * goes on in each generation, and in the end every node votes in every group.
 */
async function storm(seed: number): Promise<void> {
  const cluster = await strongCluster({ seed });
  const random = new SimRandom(`recovery ${seed}`);
  const versions = new Map<string, string>();
  const write = async (key: string, value: string) => {
    const started = NODES.filter(
      (nodeId) => (cluster.node(nodeId).processor as object | undefined) !== undefined,
    );
    if (started.length === 0) {
      return;
    }
    const { version } = await cluster.put(started[random.int(started.length)]!, key, value);
    expect(version > (versions.get(key) ?? '')).toBe(true);
    versions.set(key, version);
  };
  const startNode = (nodeId: string) => {
    cluster
      .node(nodeId)
      .start()
      .catch(() => undefined);
  };
  for (let key = 0; key < 12; key++) {
    await write(`k${key}`, 'before');
  }
  cluster.watch(() => expect(brokenRules(cluster)).toEqual([]));
  blackout(cluster, ...NODES);
  NODES.forEach(startNode);
  for (let strike = 0; strike < 12; strike++) {
    await cluster.advance(200 + random.int(1_500));
    const nodeId = NODES[random.int(NODES.length)]!;
    cluster.kill(nodeId);
    if (random.int(2) === 0) {
      cluster.node(nodeId).losePower();
    }
    await cluster.advance(random.int(800));
    startNode(nodeId);
    await write(`k${strike}`, `during ${strike}`).catch((error: unknown) => {
      if (!isDkvError(error)) {
        throw error;
      }
    });
  }
  await cluster.advance(30_000);
  expectWhole(cluster);
  for (let key = 0; key < 12; key++) {
    await write(`k${key}`, 'after');
    expect(await cluster.get('b', `k${key}`, READ)).toBe('after');
  }
}

describe('while they recover, nodes are killed and lose power again', () => {
  it.each(Array.from({ length: STORMS }, (_, seed) => seed + 1))(
    'and in the end one history goes on, above all that was told (run %i)',
    (seed) => storm(seed),
  );
});

/** Of Raft's properties, those that members of one generation break. */
function brokenRules(cluster: TestCluster): string[] {
  const broken: string[] = [];
  for (let number = 0; number < PARTITIONS; number++) {
    const here = cluster.nodeIds.flatMap((nodeId) => {
      const strong = inside(cluster, nodeId) as Inside | undefined;
      const group = strong?.node.groups.get(number);
      return group && group.raft.configuration.voters.length > 0 ? [{ member: strong!.member, group }] : [];
    });
    for (const generation of new Set(here.map(({ group }) => group.generation))) {
      const members = here
        .filter(({ group }) => group.generation === generation)
        .map(({ member, group }) => ({ member, group: group.raft }));
      broken.push(...checkGroupInvariants(members).map(({ rule }) => rule));
    }
  }
  return broken;
}
