/** Which groups can commit writes, and whose votes they miss: one judgement for calls, leaders, health, gauges and the log. */
import { type Birth } from '../cluster/birth.js';
import { type ClassBirth } from '../cluster/class-birth.js';
import { type ClusterView } from '../cluster/cluster-view.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { DkvError } from '../dkv.errors.js';
import { majorityOf } from '../model/consistency.js';
import { CONFIGURATION_GROUP, keepsConfiguration } from '../model/membership.js';
import { type MemberId, nodeOf } from '../model/raft-messages.js';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { type QuorumStatus } from '../ports/strong-mode.js';
import { hasQuorum } from '../raft/raft-configurations.js';
import { forcedConfiguration } from '../raft/raft-recovery.js';
import { CONFIGURATION_KEY } from './membership/configuration-record.js';
import { type GroupList } from './group-list.js';
import { isGoneMember } from './replacement.js';
import { type StrongGroup } from './strong-group.js';

export interface QuorumServices {
  readonly view: ClusterView;
  readonly groups: GroupList;
  readonly directory: () => PeerDirectory;
  readonly birth: () => Birth;
  readonly classBirth: () => ClassBirth;
  /** This node, as the groups know it now. */
  readonly member: () => MemberId;
  /** '' where none is known that is up. */
  readonly leaderOf: (group: number) => string;
  /** Whether this node's log takes entries. */
  readonly isWritable: () => boolean;
  readonly isLeaving: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const UNREACHABLE = 'cannot be reached';
const NO_VOTER = 'no voter yet, having come back without all that it acknowledged';
const TAKES_NOTHING = 'its log takes nothing';

/** What is known of a voter. */
interface Vote {
  readonly nodeId: string;
  /** Why it is missing; undefined where it counts. */
  readonly why: string | undefined;
  readonly isGone: boolean;
}

type VoteOf = (voter: MemberId) => Vote;

const EMPTY: QuorumStatus = {
  groupsWithoutQuorum: 0,
  groupsRefused: 0,
  votersMissing: new Map(),
  lacking: new Set(),
};

/**
 * A vote counts while its node is not known to be down, is the incarnation that votes, and has a log that takes entries. A
 * group without a leader that has a majority of such votes is about to elect one: that is waited for, not refused.
 */
export class Quorums {
  private now: QuorumStatus = EMPTY;
  private without: ReadonlySet<number> = new Set();
  private refusedSinceMs: number | undefined;

  constructor(private readonly services: QuorumServices) {}

  /** As of the last {@link look}. */
  get status(): QuorumStatus {
    return this.now;
  }

  /** Own groups that commit nothing, for those who only call them. */
  get groupsWithout(): ReadonlySet<number> {
    return this.without;
  }

  /** In words, undefined where no vote is missing. */
  get reason(): string | undefined {
    const { groupsRefused, votersMissing, lacking } = this.now;
    if (groupsRefused === 0 && votersMissing.size === 0) {
      return undefined;
    }
    const nodes = [...votersMissing].map(([nodeId, { why }]) => `${nodeId} (${why})`).join(', ');
    return groupsRefused > 0
      ? `${groupsRefused} partitions take no writes${nodes && `: missing are the votes of ${nodes}`}`
      : `missing are the votes of ${nodes} in ${lacking.size} of its ${this.services.groups.partitions().length} partitions`;
  }

  /** Once a heartbeat interval, and when a node is lost or found. */
  look(): void {
    const { groups, view } = this.services;
    const without = new Set<number>();
    const lacking = new Set<number>();
    const votes = new Map<string, { why: string; groups: number }>();
    // Hundreds of groups have the same few voters, and this is done ten times a second.
    const known = new Map<MemberId, Vote>();
    const voteOf: VoteOf = (voter) => {
      let vote = known.get(voter);
      if (!vote) {
        vote = this.voteOf(voter);
        known.set(voter, vote);
      }
      return vote;
    };
    for (const group of groups.values()) {
      if (!this.commits(group, voteOf)) {
        without.add(group.number);
      }
      // While a partition moves, and of the configuration, who votes is nobody's business but the leader's.
      const list = keepsConfiguration(group.number) || view.sinceOf(group.number) > 0 ? [] : group.list;
      for (const nodeId of list) {
        const why = whyMissing(group, nodeId, view.selfId, voteOf);
        if (why !== undefined) {
          lacking.add(group.number);
          const missing = votes.get(nodeId);
          votes.set(nodeId, { why: missing?.why ?? why, groups: (missing?.groups ?? 0) + 1 });
        }
      }
    }
    this.without = without;
    const groupsWithoutQuorum = without.size - (without.has(CONFIGURATION_GROUP) ? 1 : 0);
    const groupsRefused = groupsWithoutQuorum + this.refusedElsewhere();
    const votersMissing = new Map([...votes].sort(([one], [other]) => (one < other ? -1 : 1)));
    this.now = { groupsWithoutQuorum, groupsRefused, votersMissing, lacking };
    this.tell();
  }

  /**
   * Why a call that needs a majority cannot be done now: `DKV_QUORUM_NOT_REACHED`, or `DKV_NOT_READY` before the group is
   * born. Undefined where it can, and where a leader is only being elected.
   */
  refusal(group: number, key: string, writes: boolean): DkvError | undefined {
    const { view, groups, leaderOf } = this.services;
    const own = groups.get(group);
    const unborn = own?.isBorn ? undefined : this.unborn(own);
    if (unborn !== undefined) {
      return new DkvError(
        'DKV_NOT_READY',
        `${unborn}. Start those nodes.${writes ? ' Nothing was written.' : ''}`,
      );
    }
    const leader = leaderOf(group);
    if (leader !== '' && !writes) {
      return undefined;
    }
    // A group that lost members may be led by fewer than its list has, until all are back (rule 13).
    const isShort = leader === '' && view.reachable(group).length < majorityOf(view.copiesOf(group));
    return this.isWithout(group, leader) || isShort ? this.notReached(group, key, writes) : undefined;
  }

  /** Why the group that keeps the configuration takes no writes; undefined where it does. */
  get configurationRefusal(): DkvError | undefined {
    return this.refusal(CONFIGURATION_GROUP, CONFIGURATION_KEY, true);
  }

  /** Whether a leader is known, and enough voters for what it decides. */
  takesWrites(group: number): boolean {
    const leader = this.services.leaderOf(group);
    return leader !== '' && !this.isWithout(group, leader);
  }

  /** The same for a leader, whose followers may have stopped to take anything since the caller's node looked. */
  refusalOfLeader(group: number, key: string): DkvError | undefined {
    return this.without.has(group) ? this.notReached(group, key, true) : undefined;
  }

  private isWithout(group: number, leader: string): boolean {
    const isOwn = this.services.groups.get(group) !== undefined;
    return isOwn ? this.without.has(group) : this.teller(group, leader) !== undefined;
  }

  private notReached(group: number, key: string, writes: boolean): DkvError {
    const { view, groups } = this.services;
    const own = groups.get(group);
    const voteOf = (voter: MemberId) => this.voteOf(voter);
    const missing = (own?.list ?? view.listOf(group)).flatMap((nodeId) => {
      const why = own ? whyMissing(own, nodeId, view.selfId, voteOf) : this.whyNode(nodeId);
      return why === undefined ? [] : `${nodeId} (${why})`;
    });
    const teller = this.teller(group, this.services.leaderOf(group));
    const why =
      missing.length > 0
        ? `missing: ${missing.join(', ')}`
        : `node ${teller ?? view.selfId} says that too few of them take part`;
    return new DkvError(
      'DKV_QUORUM_NOT_REACHED',
      `${writes ? 'Writing' : 'Reading'} key ${JSON.stringify(key)} needs ${majorityOf(view.copiesOf(group))} of the nodes ` +
        `${view.listOf(group).join(', ')}; ${why}.${writes ? ' Nothing was written.' : ''}`,
    );
  }

  /** Whether a write of the group can be committed, or will be as soon as there is a leader. */
  private commits(group: StrongGroup, voteOf: VoteOf): boolean {
    const { view, directory, leaderOf } = this.services;
    const leader = leaderOf(group.number);
    if (leader !== '' && leader !== view.selfId) {
      // It knows the newest configuration, this node may not. What it said before it led is of no account.
      const peer = directory().find(leader);
      return !(peer?.led.has(group.number) && peer.withoutQuorum.has(group.number));
    }
    const { knownConfiguration: known, list } = group;
    if (known.voters.length === 0) {
      return true;
    }
    if (group.promised.waitsForCopies) {
      return list.filter((nodeId) => this.whyNode(nodeId) === undefined).length >= majorityOf(list.length);
    }
    const hasVote = (voter: MemberId) => voteOf(voter).why === undefined;
    if (hasQuorum(known, hasVote)) {
      return true;
    }
    const forced = forcedConfiguration(known, (voter) => voteOf(voter).isGone);
    return forced !== undefined && hasQuorum(forced, hasVote);
  }

  private voteOf(voter: MemberId): Vote {
    const { view, directory, member } = this.services;
    const nodeId = nodeOf(voter);
    const peer = directory().find(nodeId);
    const isAnother =
      nodeId === view.selfId ? voter !== member() : peer?.hasIntroducedItself && peer.member !== voter;
    const why = isAnother ? NO_VOTER : this.whyNode(nodeId);
    return { nodeId, why, isGone: isGoneMember(voter, directory()) };
  }

  private whyNode(nodeId: string): string | undefined {
    const { view, directory, isWritable } = this.services;
    if (view.stateOf(nodeId) === 'down') {
      return UNREACHABLE;
    }
    const takes = nodeId === view.selfId ? isWritable() : directory().find(nodeId)?.isWritable !== false;
    return takes ? undefined : TAKES_NOTHING;
  }

  /** Of a group that this node only calls: the leader, or where there is none another member, where it says that nothing is committed. */
  private teller(group: number, leader: string): string | undefined {
    const { view, directory } = this.services;
    const asked = leader === '' ? view.listOf(group).filter((nodeId) => directory().isUp(nodeId)) : [leader];
    return asked.find((nodeId) => directory().find(nodeId)?.withoutQuorum.has(group));
  }

  /** Groups that this node has no member in. */
  private refusedElsewhere(): number {
    const { directory, groups, leaderOf } = this.services;
    const told = new Set<number>();
    for (const peer of directory().all) {
      for (const group of peer.withoutQuorum) {
        if (
          !keepsConfiguration(group) &&
          !groups.get(group) &&
          this.teller(group, leaderOf(group)) !== undefined
        ) {
          told.add(group);
        }
      }
    }
    return told.size;
  }

  private unborn(own: StrongGroup | undefined): string | undefined {
    const { view, birth, classBirth } = this.services;
    const isSilent = (nodeId: string) => view.stateOf(nodeId) === 'down';
    if (!birth().isBorn) {
      const { missing, reason } = birth();
      // Nodes that have just started need a moment to hear each other: that is waited for.
      return reason !== '' && (missing.length === 0 || missing.some(isSilent))
        ? `The cluster is not born yet: ${reason}`
        : undefined;
    }
    if (own === undefined || !classBirth().missing.some(isSilent)) {
      return undefined;
    }
    return `The partition is not born yet: not seen so far: ${classBirth().missing.join(', ')}`;
  }

  /** One line when writes begin to be refused, one when all are taken again. */
  private tell(): void {
    const { clock, logger, isLeaving } = this.services;
    const { groupsRefused } = this.now;
    if (isLeaving()) {
      // Where all nodes are stopped, the last ones miss the votes of the first.
      return;
    }
    if (groupsRefused > 0 && this.refusedSinceMs === undefined) {
      this.refusedSinceMs = clock.monotonic();
      logger.error(`Now ${this.reason}. Calls that need a majority of them are refused.`);
    } else if (groupsRefused === 0 && this.refusedSinceMs !== undefined) {
      const seconds = (clock.monotonic() - this.refusedSinceMs) / 1000;
      this.refusedSinceMs = undefined;
      logger.log(`All partitions take writes again, after ${seconds.toFixed(1)} s.`);
    }
  }
}

/** Why the vote of a node of the group's list is missing; undefined where it is not, or the group is not born. */
function whyMissing(
  { isBorn, knownConfiguration: { voters } }: StrongGroup,
  nodeId: string,
  selfId: string,
  voteOf: VoteOf,
): string | undefined {
  if (!isBorn) {
    return undefined;
  }
  if (voters.length === 0) {
    // Nothing was told of its voters yet: this node is none.
    return nodeId === selfId ? NO_VOTER : undefined;
  }
  for (const voter of voters) {
    const vote = voteOf(voter);
    if (vote.nodeId === nodeId) {
      return vote.why;
    }
  }
  return NO_VOTER;
}
