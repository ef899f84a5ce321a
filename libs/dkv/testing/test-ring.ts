/** Rings for tests: small, and asked for a partition by the nodes that it is to have. */
import { Hashring } from '../src/hashring/hashring.js';
import { md5HashFunc } from '../src/hashring/md5-hash-func.js';
import { type RingNode } from '../src/model/node.js';

export interface TestRingOptions {
  readonly partitions?: number;
  readonly replicas?: number;
}

export function testRing(
  nodes: readonly RingNode[],
  { partitions = 64, replicas = 2 }: TestRingOptions = {},
): Hashring {
  return Hashring.of(nodes, { partitions, replicas, hashFunc: md5HashFunc });
}

/** The first partition whose preference list passes. */
export function partitionWhere(ring: Hashring, passes: (list: readonly string[]) => boolean): number {
  for (let partition = 0; partition < ring.partitions; partition++) {
    if (passes(ring.preferenceList(partition))) {
      return partition;
    }
  }
  throw new Error('No partition of this ring has such a preference list.');
}

/** The first of `k0`, `k1`, … that lies in a partition whose preference list passes. */
export function keyWhere(ring: Hashring, passes: (list: readonly string[]) => boolean): string {
  for (let number = 0; number < 100_000; number++) {
    if (passes(ring.preferenceList(ring.partitionOf(`k${number}`)))) {
      return `k${number}`;
    }
  }
  throw new Error('No key of this ring has such a preference list.');
}
