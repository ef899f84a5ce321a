/** The ring as an immutable value: which nodes hold a partition, and which partition holds a key. */
import { createHash } from 'node:crypto';
import { type RingNode } from '../model/node.js';
import { type HashFunc } from '../ports/hash-func.js';
import { type RingTable, tableAfter, tableOf } from './table.js';

export interface HashringOptions {
  readonly partitions: number;
  readonly replicas: number;
  readonly hashFunc: HashFunc;
}

export class Hashring {
  readonly nodes: readonly RingNode[];
  readonly partitions: number;
  readonly replicas: number;
  readonly hashFunc: HashFunc;
  readonly copies: number;
  readonly fingerprint: string;
  private readonly lists: readonly (readonly string[])[];

  private constructor(
    private readonly table: RingTable,
    options: HashringOptions,
  ) {
    this.nodes = table.nodes;
    this.partitions = table.partitions;
    this.copies = table.copies;
    this.replicas = options.replicas;
    this.hashFunc = options.hashFunc;
    this.lists = Array.from({ length: table.partitions }, (_, p) =>
      Object.freeze(
        Array.from(
          { length: table.copies },
          (__, r) => table.nodes[table.slots[p * table.copies + r]!]!.nodeId,
        ),
      ),
    );
    this.fingerprint = createHash('md5')
      .update(JSON.stringify([options.hashFunc.name, options.replicas, table.nodes, this.lists]))
      .digest('hex')
      .slice(0, 16);
  }

  static of(nodes: readonly RingNode[], options: HashringOptions): Hashring {
    const sorted = nodes
      .map(({ nodeId, weight, zone }) => ({ nodeId, weight, zone }))
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
    return new Hashring(tableOf(sorted, options.partitions, options.replicas), options);
  }

  change(nodes: readonly RingNode[]): Hashring {
    const sorted = nodes
      .map(({ nodeId, weight, zone }) => ({ nodeId, weight, zone }))
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
    return new Hashring(tableAfter(this.table, sorted, this.replicas), this);
  }

  partitionOf(key: string): number {
    return Math.floor((this.hashFunc.hash(Buffer.from(key)) / 2 ** 32) * this.partitions);
  }

  preferenceList(partition: number): readonly string[] {
    return this.lists[partition]!;
  }

  node(nodeId: string): RingNode | undefined {
    return this.nodes.find((node) => node.nodeId === nodeId);
  }
}
