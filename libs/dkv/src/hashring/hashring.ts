/** The ring as an immutable value: which partition a key lies in, and which nodes hold a partition. */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { DkvError } from '../dkv.errors.js';
import { type RingNode } from '../model/node.js';
import { type HashFunc } from '../ports/hash-func.js';
import { assertOptions, type HashringOptions, ringNodes } from './ring-options.js';
import { type RingTable, tableAfter, tableOf } from './table.js';

/** A copy that a node holds: rank 0 is the holder's, 1 to `replicas` are the replicas'. */
export interface HeldPartition {
  readonly partition: number;
  readonly rank: number;
}

/**
 * Consistent hashing (Karger et al. 1997) with the hash space in equal, fixed slices, as in Dynamo (SOSP 2007,
 * section 6.2, strategy 3): key → hash → partition → preference list, the last two by a table, so that a
 * lookup is an array index and the load of every node is known and not left to chance.
 *
 * What the table keeps, in this order; where two conflict the earlier one wins:
 * 1. The nodes of a list are distinct.
 * 2. Balance: no node has more than 1.05 times its share by weight, or that share rounded up, of holders or of
 *    copies. A node that would get more than one copy of every partition gets one; the rest go to the others.
 * 3. Distinct zones: as many lists as the balance permits have every copy in another zone, and copies in new
 *    zones come first in every list. With zones of unequal weight some lists must share a zone: give each zone
 *    the same weight, or more zones than copies, for none. A node of unknown zone counts as a zone of its own.
 * 4. A change moves few copies: without zones hardly more than what the joining node must get or the leaving
 *    one had; with zones more, where copies of a key would otherwise come to share one. Few holders change.
 *
 * An instance never changes and may be shared freely.
 */
export class Hashring {
  /** Sorted by id. */
  readonly nodes: readonly RingNode[];
  readonly partitions: number;
  readonly replicas: number;
  readonly hashFunc: HashFunc;
  /** Length of every preference list: `replicas + 1`, or the number of nodes if there are fewer. */
  readonly copies: number;
  /** 16 hex digits over all that decides where a key goes: equal for rings that agree on every key. */
  readonly fingerprint: string;
  readonly #lists: readonly (readonly string[])[];
  #held: ReadonlyMap<string, readonly HeldPartition[]> | undefined;

  private constructor(table: RingTable, { replicas, hashFunc }: Omit<HashringOptions, 'partitions'>) {
    this.nodes = table.nodes;
    this.partitions = table.partitions;
    this.replicas = replicas;
    this.hashFunc = hashFunc;
    this.copies = table.copies;
    this.#lists = listsOf(table);
    this.fingerprint = createHash('sha256')
      .update(JSON.stringify([hashFunc.name, this.partitions, replicas, this.nodes, table.slots.join()]))
      .digest('hex')
      .slice(0, 16);
    Object.freeze(this);
  }

  /**
   * The ring of a set of nodes: equal sets in any order give equal rings, on every machine. Sets that differ
   * in a node or two give similar rings, but {@link change} moves less.
   * @throws DkvError `DKV_INVALID_OPTIONS`
   */
  static of(nodes: readonly RingNode[], options: HashringOptions): Hashring {
    assertOptions(options);
    return new Hashring(tableOf(ringNodes(nodes), options.partitions, options.replicas), options);
  }

  /**
   * The ring that `nodes` have after others, as {@link change}: also where the lists are not those of one ring, since a change
   * before is under way.
   * @param lists for each partition the ids of its nodes, the holder first
   * @throws DkvError `DKV_INVALID_OPTIONS`
   */
  static following(
    lists: readonly (readonly string[])[],
    nodes: readonly RingNode[],
    options: Omit<HashringOptions, 'partitions'>,
  ): Hashring {
    assertOptions({ ...options, partitions: lists.length });
    return new Hashring(tableAfter(lists, ringNodes(nodes), options.replicas), options);
  }

  /** Copies that `to` places on nodes that had no copy of that partition in `from`. */
  static moved(from: Hashring, to: Hashring): number {
    if (from.partitions !== to.partitions) {
      throw new DkvError(
        'DKV_INVALID_ARGUMENT',
        `Rings of ${from.partitions} and ${to.partitions} partitions cannot be compared: give two of one cluster.`,
      );
    }
    let moved = 0;
    for (let partition = 0; partition < to.partitions; partition++) {
      const before = from.preferenceList(partition);
      moved += to.preferenceList(partition).filter((nodeId) => !before.includes(nodeId)).length;
    }
    return moved;
  }

  /**
   * The ring after joins, leaves and changes of weight or zone: `nodes` are all nodes from then on. Follows
   * from this ring and `nodes` alone, and is as balanced as {@link of}.
   * @throws DkvError `DKV_INVALID_OPTIONS`
   */
  change(nodes: readonly RingNode[]): Hashring {
    return Hashring.following(this.#lists, nodes, this);
  }

  /** 0 to `partitions - 1`, by the UTF-8 bytes of `key`. */
  partitionOf(key: string): number {
    return sliceOf(this.hashFunc.hash(Buffer.from(key, 'utf8')), this.partitions);
  }

  /** The nodes of a partition: the holder, then its replicas. Frozen, the same array every time. */
  preferenceList(partition: number): readonly string[] {
    const list = this.#lists[partition];
    if (list === undefined) {
      throw new DkvError(
        'DKV_INVALID_ARGUMENT',
        `There is no partition ${partition}: the ring has 0 to ${this.partitions - 1}.`,
      );
    }
    return list;
  }

  node(nodeId: string): RingNode | undefined {
    return this.nodes.find((node) => node.nodeId === nodeId);
  }

  /** What a node holds, by partition; nothing for a node that is not in the ring. */
  partitionsOf(nodeId: string): readonly HeldPartition[] {
    this.#held ??= heldBy(this.#lists);
    return this.#held.get(nodeId) ?? [];
  }
}

/** Which of so many equal slices of the hash space a hash lies in. */
export function sliceOf(hash: number, slices: number): number {
  // Exact: the product is below 2^48, and dividing by a power of two loses nothing.
  return Math.floor((hash * slices) / 0x1_0000_0000);
}

function listsOf({ nodes, partitions, copies, slots }: RingTable): readonly (readonly string[])[] {
  return Array.from({ length: partitions }, (_, partition) => {
    const list = slots.subarray(partition * copies, (partition + 1) * copies);
    return Object.freeze(Array.from(list, (node) => nodes[node]!.nodeId));
  });
}

function heldBy(lists: readonly (readonly string[])[]): Map<string, HeldPartition[]> {
  const held = new Map<string, HeldPartition[]>();
  for (const [partition, list] of lists.entries()) {
    for (const [rank, nodeId] of list.entries()) {
      const own = held.get(nodeId) ?? [];
      own.push({ partition, rank });
      held.set(nodeId, own);
    }
  }
  return held;
}
