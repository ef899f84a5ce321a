/** What is measured of the groups of a node, in a cluster that loses a node, and then its disk. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';

const PARTITIONS = 4;

let cluster: TestCluster;

beforeEach(async () => {
  cluster = createTestCluster(3, { mode: 'strong', replicas: 2, partitions: PARTITIONS });
  await cluster.start();
  await cluster.advance(2_000);
});

const figures = (nodeId = 'a') => cluster.node(nodeId).strong.figures;
const votersMissing = (nodeId = 'a') =>
  Object.fromEntries(
    [...cluster.node(nodeId).strong.quorums.votersMissing].map(([peer, { groups }]) => [peer, groups]),
  );

describe('the voters that are missing', () => {
  it('are none in a whole cluster, and a node that is down in each of its partitions', async () => {
    expect(votersMissing()).toEqual({});
    cluster.kill('c');
    await cluster.advance(2_000);
    expect(votersMissing()).toEqual({ c: PARTITIONS });
    expect(votersMissing('b')).toEqual({ c: PARTITIONS });
    void cluster.node('c').start();
    await cluster.advance(5_000);
    expect(votersMissing()).toEqual({});
  });

  it('are, of a node whose disk was replaced, those that do not vote again yet, though it is up', async () => {
    cluster.kill('b');
    await cluster.advance(2_000);
    cluster.kill('c');
    cluster.node('c').loseDisk();
    void cluster.node('c').start();
    // A majority of the voters is gone: the new disk of c cannot be made one.
    await cluster.advance(5_000);
    expect(cluster.node('a').view.stateOf('c')).toBe('up');
    expect(votersMissing()).toEqual({ b: PARTITIONS, c: PARTITIONS });
  });
});

it('counts the terms that begin, and none while all is well', async () => {
  const before = figures().termChanges;
  expect(before).toBeGreaterThan(0);
  await cluster.advance(10_000);
  expect(figures().termChanges).toBe(before);
  const led = cluster.node('b').strong.groupsLed;
  cluster.kill('b');
  await cluster.advance(3_000);
  expect(led).toBeGreaterThan(0);
  expect(figures().termChanges).toBeGreaterThanOrEqual(before + led);
});

it('tells how far a node lags behind what is committed', async () => {
  await cluster.put('a', 'k', 'v');
  await cluster.advance(1_000);
  expect(cluster.nodeIds.map((nodeId) => figures(nodeId).applyLag)).toEqual([0, 0, 0]);
});
