/** Whether this node does its part in all its groups, for whoever watches. */
import { type Birth } from '../cluster/birth.js';
import { type ClassBirth } from '../cluster/class-birth.js';
import { type ClusterView } from '../cluster/cluster-view.js';
import { majorityOf } from '../model/consistency.js';
import { failedStore, fullDisk } from '../model/full-disk.js';
import { type NodeLog } from '../ports/node-log.js';
import { type StrongStore } from '../ports/strong-store.js';
import { type GroupList } from './group-list.js';
import { type ClusterMembership } from './membership/cluster-membership.js';
import { type StrongGroup } from './strong-group.js';

export class Readiness {
  constructor(
    private readonly view: ClusterView,
    private readonly log: NodeLog,
    private readonly store: Pick<StrongStore, 'failure'>,
    private readonly groups: GroupList,
    private readonly births: {
      readonly birth: () => Birth;
      readonly classBirth: () => ClassBirth;
      readonly membership: () => Pick<ClusterMembership, 'reason'>;
    },
  ) {}

  /** Undefined when this node does its part: it may be that others do not. */
  get unreadyReason(): string | undefined {
    const { log, store, groups } = this;
    if (log.failure) {
      return `its log takes nothing: ${log.failure.message}`;
    }
    if (store.failure) {
      return failedStore('it', store.failure);
    }
    if (log.isDiskFull) {
      return fullDisk('its disk');
    }
    const outside = this.births.membership().reason;
    if (outside !== undefined) {
      return outside;
    }
    const birth = this.births.birth();
    if (!birth.isBorn) {
      return birth.reason === ''
        ? 'the cluster is being born'
        : `the cluster is not born yet: ${birth.reason}`;
    }
    const partitions = this.view.isMember(this.view.selfId) ? groups.partitions() : [];
    if (partitions.length === 0) {
      return undefined;
    }
    const missing = this.births.classBirth().missing;
    if (missing.length > 0) {
      return `partitions of namespaces that were added are not born yet: not seen so far: ${missing.join(', ')}`;
    }
    let strangers = 0;
    let behind = 0;
    for (const group of partitions) {
      const { raft, number } = group;
      // What is on its way here, or away, is served by others.
      const isToVote = this.view.holds(number) && this.view.sinceOf(number) === 0;
      strangers +=
        isToVote && !raft.isVoter && (raft.configuration.voters.length === 0 || this.view.peers.length > 0)
          ? 1
          : 0;
      behind += this.view.holds(number) && !group.isCaughtUp && this.isReachable(group) ? 1 : 0;
    }
    if (strangers > 0) {
      return `it is not yet a voter in ${strangers} of its ${partitions.length} partitions`;
    }
    return behind > 0 ? `${behind} of its ${partitions.length} partitions are catching up` : undefined;
  }

  private isReachable({ number }: StrongGroup): boolean {
    const { view } = this;
    return view.reachable(number).length >= majorityOf(view.copiesOf(number));
  }
}
