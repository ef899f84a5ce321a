/** A hundred nodes with 1,024 partitions: what a change of the members costs, in copies, steps and bytes, and what idle nodes say. */
import { describe, expect, it } from 'vitest';
import { createTestCluster } from '../../testing/simulation/sim-cluster.js';
import { testNode } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type ClusterConfiguration, type MembershipChange } from '../model/membership.js';
import { configurationOf, textOf } from './cluster-configuration.js';
import { withChanges, withMoved, withMoves, withoutLeft } from './configuration-changes.js';

const PARTITIONS = 1_024;
const COPIES = 3;
const MOVES_MAX = 16;
const ZONES = ['x', 'y', 'z'];

const nodesOf = (first: number, count: number) =>
  Array.from({ length: count }, (_, number) =>
    testNode(`n${String(first + number).padStart(3, '0')}`, {
      zone: ZONES[(first + number) % ZONES.length]!,
    }),
  );
const joins = (first: number, count: number) =>
  nodesOf(first, count).map((node): MembershipChange => ({ kind: 'join', node }));
const leaves = (first: number, count: number) =>
  nodesOf(first, count).map(({ nodeId }): MembershipChange => ({ kind: 'leave', nodeId }));

interface Finished {
  readonly end: ClusterConfiguration;
  /** Copies that were made anew, and configurations that were agreed on for it. */
  readonly copied: number;
  readonly epochs: number;
}

/** Sixteen move at a time, and what began together arrives together. */
function finished(configuration: ClusterConfiguration): Finished {
  let now = configuration;
  let copied = 0;
  for (;;) {
    now = withMoves(now, MOVES_MAX) ?? now;
    if (now.moving.length === 0) {
      now = withoutLeft(now, () => true) ?? now;
      return { end: now, copied, epochs: now.epoch - configuration.epoch };
    }
    for (const { place } of now.moving) {
      copied += now.target[place]!.filter((nodeId) => !now.lists[place]!.includes(nodeId)).length;
    }
    now = withMoved(
      now,
      now.moving.map(({ place }) => place),
    )!;
  }
}

function copiesOf({ members, lists }: ClusterConfiguration): readonly number[] {
  const counts = new Map(members.map(({ nodeId }) => [nodeId, 0]));
  for (const nodeId of lists.slice(0, -1).flat()) {
    counts.set(nodeId, counts.get(nodeId)! + 1);
  }
  return [...counts.values()];
}

function expectFair(configuration: ClusterConfiguration, nodes: number): void {
  const share = (PARTITIONS * COPIES) / nodes;
  const counts = copiesOf(configuration);
  expect(counts).toHaveLength(nodes);
  expect(Math.max(...counts)).toBeLessThanOrEqual(Math.ceil(1.05 * share) + 1);
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(Math.floor(0.9 * share) - 1);
  for (const list of configuration.lists.slice(0, -1)) {
    expect(new Set(list).size).toBe(COPIES);
  }
}

describe('a hundred nodes', () => {
  it('lose ten, get them back, and become 120: little more is copied than must be, in as many steps as that takes', () => {
    const nodes = nodesOf(0, 100);
    const made = {
      ...configurationOf(testRing(nodes, { partitions: PARTITIONS, replicas: COPIES - 1 }), nodes),
      epoch: 1,
    };
    expectFair(made, 100);
    const lost = copiesOf(made)
      .slice(40, 50)
      .reduce((sum, copies) => sum + copies, 0);

    const without = finished(withChanges(made, leaves(40, 10))!);
    expectFair(without.end, 90);
    expect(without.copied).toBeGreaterThanOrEqual(lost);
    expect(without.copied).toBeLessThanOrEqual(1.5 * lost);

    const back = finished(withChanges(without.end, joins(40, 10))!);
    expectFair(back.end, 100);
    const due = (PARTITIONS * COPIES * 10) / 100;
    expect(back.copied).toBeLessThanOrEqual(1.5 * due);

    const more = finished(withChanges(back.end, joins(100, 20))!);
    expectFair(more.end, 120);
    expect(more.copied).toBeLessThanOrEqual((1.5 * PARTITIONS * COPIES * 20) / 120);
    for (const { copied, epochs } of [without, back, more]) {
      // A begin and an end for sixteen at a time.
      expect(epochs).toBeLessThanOrEqual(2 * Math.ceil((copied + 1) / MOVES_MAX) + 2);
    }
    // What each node keeps, and each change of the configuration sends once to each.
    expect(textOf(more.end).length).toBeLessThan(64 * 1024);
  });
});

describe('nodes that have nothing to do', () => {
  it.each([4, 8])('of %i each says to each other no more than 20 frames a second', async (size) => {
    const cluster = createTestCluster(size, { mode: 'strong', partitions: 64 });
    await cluster.start();
    await cluster.advance(20_000);
    let frames = 0;
    for (const nodeId of cluster.nodeIds) {
      const { processor } = cluster.node(nodeId);
      const receive = processor.receive.bind(processor);
      processor.receive = (from, frame) => {
        frames++;
        receive(from, frame);
      };
    }
    const seconds = 20;
    await cluster.advance(seconds * 1_000);
    const aPair = frames / (size * (size - 1) * seconds);
    // Ten heartbeats a second, and nearly nothing else.
    expect(aPair).toBeGreaterThanOrEqual(9);
    expect(aPair).toBeLessThanOrEqual(20);
  });
});
