/** The number of copies changes while a cluster serves: up and down, with its data, and no partition gets another number. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../../testing/caught.js';
import { groupsOf } from '../../../testing/simulation/group-facts.js';
import { type TestCluster } from '../../../testing/simulation/sim-cluster.js';
import { brokenRules, putAll, strongCluster, valuesOf } from '../../../testing/simulation/strong-cluster.js';
import { type MembershipChange } from '../../model/membership.js';

const PARTITIONS = 4;
const KEYS = ['k0', 'k1', 'k2', 'k3', 'k4'];

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await strongCluster(3, { partitions: PARTITIONS, replicas: 1 });
  await putAll(cluster, 'v');
});

const copies = (replicas: number, placement = 0): MembershipChange => ({
  kind: 'replicas',
  placement,
  replicas,
});
const change = (...changes: readonly MembershipChange[]) =>
  cluster.settle(cluster.node('a').strong.membership.change(changes, 5_000));
const numbers = () => KEYS.map((key) => cluster.node('b').view.partitionOf(key, 0));
const copiesHeld = () =>
  cluster.nodeIds.reduce((sum, nodeId) => sum + groupsOf(cluster.node(nodeId))!.partitions().length, 0);
const votersOf = (number: number) =>
  cluster.nodeIds.flatMap((nodeId) => {
    const group = groupsOf(cluster.node(nodeId))!.get(number);
    return group?.leads ? group.raft.configuration.voters : [];
  });

describe('the number of copies', () => {
  it.each([2, 0])(
    'of two changes to %i replicas and back: data and numbers stay, votes and copies follow',
    async (replicas) => {
      const before = numbers();
      const epoch = await change(copies(replicas));
      expect(await change(copies(replicas))).toBeGreaterThanOrEqual(epoch);
      await cluster.advance(10_000);
      expect(copiesHeld()).toBe(PARTITIONS * (replicas + 1));
      for (let number = 0; number < PARTITIONS; number++) {
        expect(votersOf(number)).toHaveLength(replicas + 1);
      }
      expect(numbers()).toEqual(before);
      expect(await valuesOf(cluster)).toEqual(['v']);
      await putAll(cluster, 'w');
      await change(copies(1));
      await cluster.advance(10_000);
      expect([copiesHeld(), numbers(), await valuesOf(cluster)]).toEqual([2 * PARTITIONS, before, ['w']]);
      expect(brokenRules(cluster)).toEqual([]);
    },
  );

  it('that nodes are too few for is as many as there are, and more once there are more', async () => {
    await change(copies(3));
    await cluster.advance(10_000);
    expect(copiesHeld()).toBe(3 * PARTITIONS);
    void cluster.add('d').start();
    await cluster.advance(15_000);
    expect(copiesHeld()).toBe(4 * PARTITIONS);
  });

  it.each([-1, 16, 1.5, Number.NaN])('%d is refused', async (replicas) => {
    const { epoch } = cluster.configuration!;
    expect(await rejected(change(copies(replicas)))).toMatchObject({ code: 'DKV_INVALID_ARGUMENT' });
    expect(await rejected(change(copies(1, 5)))).toMatchObject({ code: 'DKV_INVALID_ARGUMENT' });
    expect(cluster.configuration!.epoch).toBe(epoch);
  });
});
