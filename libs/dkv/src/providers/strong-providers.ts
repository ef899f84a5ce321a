/** How the module makes what serves strong namespaces on this node. */
import { type CoreContext } from '../cluster/core-context.js';
import { type DkvOptions } from '../dkv.options.js';
import { type RemoteKvRepo } from '../ports/remote-kv-repo.js';
import { type StrongMode } from '../ports/strong-mode.js';
import { firstNodesOf } from './first-nodes.js';
import { type NodeStorage } from '../storage/node-storage.js';
import { ReplicatedStrongMode } from '../strong/strong-mode.js';

export const STRONG_MODE = Symbol('DkvStrongMode');

const MIB = 1024 * 1024;
/** Reads that wait for an entry to be applied, or for a majority to confirm a leadership. */
const WAITING_READS_MAX = 100_000;
const COLD_BYTES_MAX = 64 * MIB;
/** Entries kept in memory for members that lag; who needs older ones gets a snapshot. */
const ENTRY_TAIL_BYTES_MAX = 64 * MIB;
const SNAPSHOT_PAGE_BYTES = 256 * 1024;

/** What a strong mode works with. */
export interface StrongModeParts {
  readonly context: CoreContext;
  readonly remote: RemoteKvRepo;
  readonly storage: NodeStorage;
  readonly options: DkvOptions;
}

/** Made once a node, before the Processor; started and stopped by it. */
export function createStrongMode({
  context,
  remote,
  storage,
  options,
}: StrongModeParts): Promise<StrongMode> {
  sayWhatToExpect(context, options);
  const { heartbeatIntervalMs, electionTimeoutMs, leaseReads, maxClockOffsetMs, peerTimeoutMs } = options;
  return ReplicatedStrongMode.open({
    ...context,
    remote,
    log: storage.log,
    store: storage.strong,
    meta: storage.local,
    limits: {
      ...firstNodesOf(options),
      heartbeatIntervalMs,
      electionTimeoutMs,
      leaseReads,
      maxClockOffsetMs,
      peerTimeoutMs,
      idempotencyTtlMs: options.idempotencyTtlMs,
      uncommittedBytesMax: options.replicationBytesMax,
      coldBytesMax: COLD_BYTES_MAX,
      waitingReadsMax: WAITING_READS_MAX,
      entryTailBytesMax: ENTRY_TAIL_BYTES_MAX,
      snapshotPageBytes: SNAPSHOT_PAGE_BYTES,
      transfersMax: options.transfersMax,
      joinsByItself: options.join === 'automatic',
      memberRemovalMs: options.memberRemovalMs,
    },
    stored: storage.groups,
    forgot: storage.forgot,
    acceptForgetting: () => storage.acceptForgetting(),
    makeDurable: () => storage.checkpoint(),
    keep: (name, text) => storage.keep(name, text),
    isVolatile: storage.isVolatile,
  });
}

/** What a cluster of this kind cannot do is said at boot, not found out at night: rule 24 of the strong mode. */
function sayWhatToExpect({ view, logger }: CoreContext, { storage }: DkvOptions): void {
  if (storage === 'memory' && view.peers.length > 0) {
    logger.warn(
      'storage is memory: a node that restarts comes back empty, as a new voter, and is filled by the others. If a majority ' +
        'of the nodes restarts at the same time, it goes on with what the others have; if all do, it is empty, with a new id.',
    );
  }
  if (view.members.length === 2 && view.replicasOf() >= 1) {
    logger.warn(
      'Two nodes with a copy each take no writes in strong namespaces while one of them is down: a third makes them ' +
        'available. If one loses its disk, it comes back by itself.',
    );
  }
}
