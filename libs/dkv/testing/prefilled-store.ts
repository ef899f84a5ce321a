/** A data folder with many keys before its node starts: some ten times as fast as writing them through a cluster. */
import { ClusterView } from '../src/cluster/cluster-view.js';
import {
  configurationOf,
  fingerprintOf,
  notedConfiguration,
  noteConfiguration,
} from '../src/cluster/cluster-configuration.js';
import { type ClusterConfiguration } from '../src/model/membership.js';
import { DkvError } from '../src/dkv.errors.js';
import { resolveOptions } from '../src/dkv.options.js';
import { Hashring } from '../src/hashring/hashring.js';
import { md5HashFunc } from '../src/hashring/md5-hash-func.js';
import { type DiskEngine } from '../src/storage/folder/store-identity.js';
import { type ClusterNode } from '../src/model/node.js';
import { stampRecord } from '../src/model/record.js';
import { COUNTER_MAX, formatVersion, type Version } from '../src/model/version.js';
import { type LocalKvRepo } from '../src/ports/local-kv-repo.js';
import { type Logger } from '../src/ports/logger.js';
import { createRepoToFill } from './prefilled-store-engine.js';

const { partitions: PARTITIONS, replicas: REPLICAS } = resolveOptions({ nodeId: 'any' });
/** 2025: before whatever a node will stamp. */
const STAMPED_MS = Date.UTC(2025, 0, 1);
/** Below the first boot of every node. */
const BOOT = 0;
/** With more, what is under way outlives the young garbage: 28,000 keys a second with 2,000, 38,000 with 500. */
const IN_FLIGHT = 500;
const PROGRESS_EVERY = 1_000;
/** Failures reject. */
const SILENT: Logger = { log: () => undefined, warn: () => undefined, error: () => undefined };

export interface PrefillOptions {
  /** The folder of this node alone, as the node will have it; made when absent. Nobody may have it open. */
  readonly dataDir: string;
  readonly nodeId: string;
  /** All nodes of the cluster, as its discovery will tell them; what counts is their ids, weights and zones. */
  readonly nodes: readonly ClusterNode[];
  /** Of the cluster, as in the module's options, with the same default; the hash function is `md5`. */
  readonly replicas?: number;
  readonly partitions?: number;
  /** One of mode `strong` with as many replicas as the cluster. Default: the default namespace. */
  readonly namespace?: string;
  /** Keys of the whole cluster, of which the node gets those that it will hold. */
  readonly count: number;
  /** The key of an index, from 0 to `count - 1`: a different one for each. */
  readonly keyAt: (index: number) => string;
  /** The encoded value of an index: the same on every node. */
  readonly valueAt: (index: number) => Uint8Array;
  /** Milliseconds since 1970 from which on the records are stamped: the same on every node, and past. */
  readonly stampedMs?: number;
  readonly storage?: 'auto' | DiskEngine;
  readonly logger?: Logger;
  /** Called now and then with how many keys were stored since the last call, or are not this node's. */
  readonly onProgress?: (count: number) => void;
}

/**
 * Fills the folder of one node with what it would hold had the cluster written `count` keys of an eventual
 * namespace, each once. The folders of all nodes, each filled with the same options, agree byte for byte in every record, so
 * that the started nodes have nothing to fetch from each other. Resolves with the number of keys that the node holds.
 * Filling a folder again with the same goes on where it broke off.
 * @throws DkvError as opening a node's store does, and where a write fails
 */
export async function prefillStore(options: PrefillOptions): Promise<number> {
  const { dataDir, nodeId, nodes, storage = 'auto', logger = SILENT } = options;
  const { replicas = REPLICAS, partitions = PARTITIONS } = options;
  const ring = Hashring.of(nodes, { partitions, replicas, hashFunc: md5HashFunc });
  const repo = await createRepoToFill(dataDir, storage, logger);
  await repo.open({ nodeId, partitions, copies: replicas + 1, hashFunc: md5HashFunc.name });
  try {
    await noteOnce(repo, configurationOf(ring, nodes));
    return await storeAll(repo, ClusterView.of(nodeId, ring, nodes), options);
  } finally {
    await repo.close();
  }
}

/** What is filled for other members would be looked for in other places. */
async function noteOnce(repo: LocalKvRepo, configuration: ClusterConfiguration): Promise<void> {
  const noted = await notedConfiguration(repo);
  if (noted && fingerprintOf(noted) !== fingerprintOf(configuration)) {
    throw new DkvError(
      'DKV_STORE_MISMATCH',
      'The folder was filled for other members: give it the same ones.',
    );
  }
  await noteConfiguration(repo, configuration);
}

async function storeAll(repo: LocalKvRepo, view: ClusterView, options: PrefillOptions): Promise<number> {
  const { namespace = 'default', count, keyAt, valueAt, onProgress, stampedMs = STAMPED_MS } = options;
  const stamper = view.members[0]!.node.nodeId;
  const partitions = Uint16Array.from({ length: count }, (_, index) => view.partitionOf(keyAt(index), 0));
  const order = orderOf(partitions, view);
  const store = (index: number) => {
    const key = keyAt(index);
    const version = versionOf(index, stampedMs, stamper);
    const value = valueAt(index);
    const record = stampRecord({ namespace, key, version, tombstone: false, expiresAtMs: 0, value });
    return repo.update({ partition: partitions[index]!, namespace, key }, () => record);
  };
  onProgress?.(count - order.length);
  let next = 0;
  let unreported = 0;
  const work = async () => {
    while (next < order.length) {
      await store(order[next++]!);
      if (++unreported === PROGRESS_EVERY) {
        onProgress?.(unreported);
        unreported = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  onProgress?.(unreported);
  return order.length;
}

/**
 * The indices of what the node holds, partition by partition: written so, what lies together on the disk comes
 * together, and few digests of the hash tree change with each batch.
 */
function orderOf(partitions: Uint16Array, view: ClusterView): Uint32Array {
  const starts = new Uint32Array(view.slices + 1);
  const holds = Array.from({ length: view.slices }, (_, partition) => view.holds(partition));
  for (const partition of partitions) {
    if (holds[partition]) {
      starts[partition + 1]!++;
    }
  }
  for (let partition = 0; partition < view.slices; partition++) {
    starts[partition + 1]! += starts[partition]!;
  }
  const order = new Uint32Array(starts[view.slices]!);
  partitions.forEach((partition, index) => {
    if (holds[partition]) {
      order[starts[partition]!++] = index;
    }
  });
  return order;
}

/** Rises with the index, and is another one for each. */
function versionOf(index: number, stampedMs: number, nodeId: string): Version {
  const counters = COUNTER_MAX + 1;
  const physicalMs = stampedMs + Math.floor(index / counters);
  return formatVersion({ physicalMs, counter: index % counters, nodeId, boot: BOOT });
}
