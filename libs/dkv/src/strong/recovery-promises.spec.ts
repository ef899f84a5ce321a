/** What a member promises a recovery, and what becomes of it: rule 13. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { groupsOf, memberOf } from '../../testing/simulation/group-facts.js';
import {
  blackout,
  putAll,
  startNodes,
  strongCluster,
  valuesOf,
  wrongVoters,
} from '../../testing/simulation/strong-cluster.js';
import { type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { type Peer } from '../cluster/peers.js';
import { type NodeMessage } from '../model/node-messages.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type RecoveryPromise, RecoveryPromises, promisesOf } from './recovery-promises.js';
import { type RecoveryRounds } from './recovery-rounds.js';

afterEach(() => vi.restoreAllMocks());

/** What a spec looks at inside of the strong mode. */
interface Inside {
  readonly node: { say(nodeId: string, message: NodeMessage): void };
  readonly recovery: RecoveryRounds;
}

/** The same of what notes promises. */
interface Notes {
  readonly meta: Pick<LocalKvRepo, 'putMeta'>;
  readonly give: (this: RecoveryPromises, group: number, promise: RecoveryPromise) => Promise<void>;
}

const inside = (cluster: TestCluster, nodeId: string) => cluster.node(nodeId).strong as unknown as Inside;
const listOf = (cluster: TestCluster, nodeId: string) => [...groupsOf(cluster.node(nodeId))!.values()];

describe('a promise', () => {
  /** As if a member had asked for it that then came to nothing. */
  async function promised(): Promise<TestCluster> {
    const cluster = await strongCluster(3);
    await putAll(cluster, 'new');
    const { recovery } = inside(cluster, 'c');
    const [group] = listOf(cluster, 'c');
    group!.raft.leaderLost();
    recovery.asked({ nodeId: 'a', member: 'a@1' } as Peer, {
      kind: 'recoverAsk',
      group: group!.number,
      generation: 9,
    });
    await cluster.advance(50);
    expect(group!.promised.isHeld(9)).toBe(true);
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
    const [group] = listOf(cluster, 'c');
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
    const member = memberOf(cluster.node('c'));
    await cluster.advance(20_000);
    expect(memberOf(cluster.node('c'))).not.toBe(member);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });

  it('that could not be noted is noted as soon as it is asked for again', async () => {
    const cluster = await strongCluster(3, { partitions: 1 });
    await putAll(cluster, 'new');
    blackout(cluster, 'a', 'b');
    const { give } = RecoveryPromises.prototype as unknown as Notes;
    let failed = 0;
    vi.spyOn(RecoveryPromises.prototype, 'give').mockImplementation(function (
      this: RecoveryPromises,
      ...given
    ) {
      const { meta } = this as unknown as Notes;
      const { putMeta } = meta;
      if (failed++ < 3) {
        meta.putMeta = () => Promise.reject(new Error('EMFILE'));
      }
      return give.apply(this, given).finally(() => (meta.putMeta = putMeta));
    });
    startNodes(cluster);
    await cluster.advance(10_000);
    expect(failed).toBeGreaterThan(3);
    expect(wrongVoters(cluster)).toEqual([]);
    expect(await valuesOf(cluster)).toEqual(['new']);
  });
});
