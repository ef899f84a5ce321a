/** What this node's log, store, clock and event loop allow it to do for its groups: append, stand for election, lead, decide. */
import { type BoundedClock } from '../cluster/bounded-clock.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { failedStore, fullDiskOf } from '../model/full-disk.js';
import { type Answer } from '../model/node-messages.js';
import { type NodeLog } from '../ports/node-log.js';
import { type StrongStore } from '../ports/strong-store.js';

export interface FitnessServices {
  readonly selfId: string;
  readonly log: NodeLog;
  readonly store: Pick<StrongStore, 'failure'>;
  readonly clock: BoundedClock;
  readonly directory: PeerDirectory;
  readonly now: {
    readonly isLeaving: () => boolean;
    readonly isForgetting: () => boolean;
    readonly isDiskSilent: () => boolean;
    /** Whether leases that an earlier process run granted may still be held. */
    readonly isBoundByLeases: () => boolean;
  };
}

export class Fitness {
  constructor(private readonly services: FitnessServices) {}

  /** Whether entries become durable here: else this node's vote counts for nothing. */
  get isWritable(): boolean {
    return this.services.log.failure === undefined && !this.services.now.isDiskSilent();
  }

  /** Whether it may stand for election: where it is not fit, but the only one with all of a log, somebody must. */
  get canLead(): boolean {
    const { directory, now } = this.services;
    return !now.isLeaving() && this.isWritable && !directory.isStalled && !now.isForgetting();
  }

  /** Whether leaderships are well placed here. */
  get isFit(): boolean {
    const { log, store, clock, now } = this.services;
    const mayLead = this.canLead && !now.isBoundByLeases();
    return mayLead && clock.isRight && !log.isDiskFull && store.failure === undefined;
  }

  /** Why nothing but removes may be decided here; where another node may lead instead, the caller finds it in a moment. */
  onlyRemoves(list: readonly string[]): Answer | undefined {
    const { log, store, directory, selfId } = this.services;
    if (!log.isDiskFull && !store.failure) {
      return undefined;
    }
    if (list.some((nodeId) => directory.isUp(nodeId) && directory.find(nodeId)?.isFit)) {
      return { type: 'retry', leader: '', session: 0 };
    }
    const message = store.failure ? failedStore(`Node ${selfId}`, store.failure) : fullDiskOf(selfId);
    return { type: 'refused', code: 'DKV_READ_ONLY', message };
  }
}
