/** What is remembered of a group while it is watched, and where its parts are found. */
import { CONFIGURATION_GROUP } from '../../src/model/membership.js';
import { type MemberId } from '../../src/model/raft-messages.js';
import { type RaftGroup } from '../../src/raft/raft-group.js';
import { type ReplicatedStrongMode } from '../../src/strong/strong-mode.js';
import { type GroupList } from '../../src/strong/group-list.js';
import { type StrongGroup } from '../../src/strong/strong-group.js';
import { type TestCluster, type TestNode } from './sim-cluster.js';

/** What was seen last of a member of a group, in one process run of its node. */
export interface Seen {
  group: StrongGroup;
  raft: RaftGroup;
  generation: number;
  member: MemberId;
  term: number;
  vote: string;
  commit: number;
  lastIndex: number;
  lastTerm: number;
  durableIndex: number;
  durableTerm: number;
  isLeader: boolean;
  applied: number;
}

/** Of one generation of a group, over all its members and process runs: another one has a history of its own. */
export class GroupFacts {
  /** Who led a term. */
  readonly leaders = new Map<number, MemberId>();
  /** Vote of a member in a term. */
  readonly votes = new Map<string, string>();
  readonly votedTerms = new Map<MemberId, { readonly term: number; readonly candidate: string }>();
  /** Term of the committed entry by index. */
  readonly committed: number[] = [0];
  /** Checksum of an entry by term and index. */
  readonly entries = new Map<string, number>();
  /** Members as they were last: what a dead one has on its disk counts, too. */
  readonly members = new Map<MemberId, RaftGroup>();
  /** By applied index: the state beside the records, and versions of keys. */
  readonly states = new Map<number, number>();
  readonly versions = new Map<string, number>();
  logTimeMs = 0;
  logTimeIndex = 0;
}

/** The groups of a node's strong mode, the real one. */
export function groupsOf({ strong }: TestNode): GroupList | undefined {
  const { node } = (strong ?? {}) as unknown as { node?: { groups?: GroupList } };
  return node?.groups;
}

export function memberOf({ strong }: TestNode): MemberId {
  return (strong as ReplicatedStrongMode).member;
}

/** Whether those who vote in the groups, as their leaders have it, are all there, and each of their groups is as it should be. */
export function doAllVote(
  cluster: TestCluster,
  isSound: (leader: StrongGroup, group: StrongGroup) => boolean,
): boolean {
  const nodes = cluster.nodeIds.map((nodeId) => cluster.node(nodeId));
  if (!nodes.every((node) => node.alive && groupsOf(node))) {
    return false;
  }
  const members = new Map(nodes.map((node) => [memberOf(node), node]));
  const numbers = Array.from({ length: cluster.ring.partitions }, (_, number) => number);
  return [...numbers, CONFIGURATION_GROUP].every((number) => {
    const leader = nodes
      .map((node) => groupsOf(node)?.get(number))
      .filter((group) => group?.leads)
      .sort((a, b) => b!.raft.term - a!.raft.term)[0];
    const configuration = leader?.raft.configuration;
    return (
      configuration?.outgoing.length === 0 &&
      configuration.voters.every((voter) => {
        const node = members.get(voter);
        const group = node && groupsOf(node)?.get(number);
        return group !== undefined && isSound(leader!, group);
      })
    );
  });
}

/** A sole voter leads before its term is on its disk, and may forget it: until it has committed something nobody knows. */
export function isKnownToLead(raft: RaftGroup): boolean {
  return raft.configuration.voters.length > 1 || raft.termAt(raft.commit) === raft.term;
}
