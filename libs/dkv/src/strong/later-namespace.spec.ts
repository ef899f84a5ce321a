/** Namespaces that are declared after the birth of the cluster, with a number of copies that it had not then: rules 0 and 20. */
import { describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { type ClassBirthServices } from '../cluster/class-birth.js';
import { type MemberId } from '../model/raft-messages.js';
import { type GroupList } from './group-list.js';

const FEW = 'few copies';
const PARTITIONS = 4;

interface Inside {
  readonly member: MemberId;
  readonly node: { readonly groups: GroupList };
}

class Later {
  /** What every start from now on declares beside the default namespace. */
  readonly declared: { name: string; copies: number }[] = [];
  readonly cluster: TestCluster;

  private constructor(size: number) {
    const { declared: namespaces } = this;
    const replicas = size - 1;
    this.cluster = createTestCluster(size, { mode: 'strong', replicas, partitions: PARTITIONS, namespaces });
  }

  static async of(size = 3): Promise<Later> {
    const later = new Later(size);
    await later.cluster.start();
    await later.cluster.advance(2_000);
    await later.cluster.put('a', 'k', 'before');
    return later;
  }

  declare(copies = 2): void {
    this.declared.push({ name: FEW, copies });
  }

  /** The class is born where nobody of its lists is: all of it has moved before the birth ended. */
  othersVoteFirst(): void {
    for (const nodeId of this.cluster.nodeIds) {
      const { births } = this.cluster.node(nodeId).strong as unknown as {
        births: { classBirth: { services: Pick<ClassBirthServices, 'listsOf'> } };
      };
      const { services } = births.classBirth;
      const { listsOf } = services;
      const count = this.cluster.nodeIds.length;
      const moved = (list: readonly number[]) => list.map((place) => (place + count / 2) % count);
      Object.assign(services, {
        listsOf: (...asked: Parameters<typeof listsOf>) => listsOf(...asked)?.map(moved),
      });
    }
  }

  /** The node starts again, with an empty disk where it is replaced. */
  async again(nodeId: string, how: 'restarted' | 'replaced'): Promise<void> {
    this.cluster.kill(nodeId);
    if (how === 'replaced') {
      this.cluster.node(nodeId).loseDisk();
    }
    void this.cluster.node(nodeId).start();
    await this.cluster.advance(8_000);
  }

  put(nodeId: string, key: string, value: string): Promise<unknown> {
    const { processor } = this.cluster.node(nodeId);
    return this.cluster.settle(
      processor.addOrUpdate(FEW, key, new Uint8Array(Buffer.from(value)), {
        level: 'quorum',
        timeoutMs: 5_000,
        ttlMs: 0,
      }),
    );
  }

  async get(nodeId: string, key: string): Promise<string | undefined> {
    const { processor } = this.cluster.node(nodeId);
    const found = processor.get(FEW, key, { level: 'linearizable', timeoutMs: 5_000 });
    const record = await this.cluster.settle(found);
    return record && Buffer.from(record.value).toString();
  }

  unready(nodeId: string): string | undefined {
    return this.cluster.node(nodeId).strong.unreadyReason;
  }

  /** A key of each partition is written and read, and every node has its part. */
  async expectWhole(): Promise<void> {
    const { cluster } = this;
    for (let number = 0; number < 3 * PARTITIONS; number++) {
      await this.put(cluster.nodeIds[number % cluster.nodeIds.length]!, `k${number}`, `v${number}`);
    }
    for (let number = 0; number < 3 * PARTITIONS; number++) {
      expect(await this.get(cluster.nodeIds.at(-1)!, `k${number}`)).toBe(`v${number}`);
    }
    this.expectVoters();
    expect(await cluster.get('a', 'k', { level: 'linearizable' })).toBe('before');
  }

  /** All nodes vote in all their groups, and each group has a leader. */
  expectVoters(): void {
    const { cluster } = this;
    const inside = (nodeId: string) => cluster.node(nodeId).strong as unknown as Inside;
    for (const nodeId of cluster.nodeIds) {
      expect(this.unready(nodeId)).toBeUndefined();
      for (const { raft, list } of inside(nodeId).node.groups.partitions()) {
        expect([...raft.configuration.voters].sort()).toEqual(list.map((id) => inside(id).member).sort());
      }
    }
    const led = cluster.nodeIds.map((nodeId) => cluster.node(nodeId).strong.groupsLed);
    expect(led.reduce((sum, count) => sum + count)).toBe(2 * PARTITIONS);
  }
}

describe('a namespace with another number of copies', () => {
  it('is born when it is declared by one node after the other, on nodes that were never replaced', async () => {
    const later = await Later.of();
    later.declare();
    for (const nodeId of ['c', 'b', 'a']) {
      await later.again(nodeId, 'restarted');
      expect(later.unready(nodeId)).toBeUndefined();
    }
    await later.expectWhole();
  });

  it.each([
    ['all', ['a', 'b', 'c']],
    ['all but the one with the lowest id', ['b', 'c']],
    ['two', ['a', 'b']],
    ['one', ['b']],
  ])('is born of the incarnations that there are, when %s were replaced before', async (_, replaced) => {
    const later = await Later.of();
    for (const nodeId of replaced) {
      await later.again(nodeId, 'replaced');
    }
    later.declare();
    for (const nodeId of ['a', 'b', 'c']) {
      await later.again(nodeId, 'restarted');
    }
    await later.expectWhole();
  });

  it('is born when every start brings an empty folder, as with storage in memory', async () => {
    const later = await Later.of();
    later.declare();
    for (const nodeId of ['a', 'b', 'c']) {
      await later.again(nodeId, 'replaced');
    }
    await later.expectWhole();
  });

  it('has the votes of nodes that do not name it, also after they were started again', async () => {
    const later = await Later.of();
    later.declare();
    await later.again('c', 'restarted');
    later.declared.length = 0;
    await later.again('a', 'restarted');
    await later.again('b', 'replaced');
    expect(later.cluster.nodeIds.map((nodeId) => later.unready(nodeId))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const led = later.cluster.nodeIds.map((nodeId) => later.cluster.node(nodeId).strong.groupsLed);
    expect(led.reduce((sum, count) => sum + count)).toBe(2 * PARTITIONS);
  });

  it('is served by leaders that do not name it', async () => {
    const later = await Later.of();
    later.declare();
    await later.again('c', 'restarted');
    for (let number = 0; number < 4 * PARTITIONS; number++) {
      await later.put('c', `k${number}`, `v${number}`);
      expect(await later.get('c', `k${number}`)).toBe(`v${number}`);
    }
  });

  it('is led at first by those who voted first, wherever its partitions are by then', async () => {
    const later = await Later.of(4);
    later.othersVoteFirst();
    later.declare();
    await later.again('c', 'restarted');
    await later.cluster.advance(10_000);
    later.expectVoters();
    await later.put('c', 'k0', 'v');
    expect(await later.get('c', 'k0')).toBe('v');
  });

  it('is not born before every node has said that it has nothing of it', async () => {
    const later = await Later.of();
    later.cluster.kill('c');
    later.declare();
    await later.again('a', 'restarted');
    await later.again('b', 'restarted');
    expect(later.unready('b')).toMatch(/not born yet: not seen so far: c$/);
    await expect(later.put('a', 'k0', 'v')).rejects.toMatchObject({ code: 'DKV_NOT_READY' });
    await later.again('c', 'restarted');
    await later.expectWhole();
  });

  it('is never born a second time, where a majority of those who had it is gone', async () => {
    const later = await Later.of();
    later.declare();
    for (const nodeId of ['a', 'b', 'c']) {
      await later.again(nodeId, 'replaced');
    }
    await later.expectWhole();
    // Both nodes of some partition, at once; the third knows that there was one.
    for (const nodeId of ['a', 'b']) {
      later.cluster.kill(nodeId);
      later.cluster.node(nodeId).loseDisk();
    }
    for (const nodeId of ['a', 'b']) {
      void later.cluster.node(nodeId).start();
    }
    await later.cluster.advance(20_000);
    const answers: (string | undefined)[] = [];
    for (let number = 0; number < 3 * PARTITIONS; number++) {
      answers.push(await later.get('c', `k${number}`).catch((error: { code: string }) => error.code));
    }
    for (const [number, answer] of answers.entries()) {
      expect([`v${number}`, 'DKV_TIMEOUT', 'DKV_QUORUM_NOT_REACHED']).toContain(answer);
    }
    expect(answers.some((answer) => answer?.startsWith('DKV_'))).toBe(true);
  });
});
