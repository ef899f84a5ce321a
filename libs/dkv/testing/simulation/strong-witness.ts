/** Looks into every group of every node between two events, and holds what it sees against all that was ever seen. */
import { crc32 } from '../../src/model/checksum.js';
import { type AddressedMessage, type LogEntry, type MemberId } from '../../src/model/raft-messages.js';
import { hasQuorum } from '../../src/raft/raft-configurations.js';
import { type RaftGroup } from '../../src/raft/raft-group.js';
import { encodeAppliedState } from '../../src/strong/group-state-layout.js';
import { type GroupList } from '../../src/strong/group-list.js';
import { type StrongGroup } from '../../src/strong/strong-group.js';
import { type Finding, type FindingRule } from './checkers/finding.js';
import { ConfigurationWitness } from './configuration-witness.js';
import { GroupFacts, groupsOf, isKnownToLead, memberOf, type Seen } from './group-facts.js';
import { LeaseWitness } from './lease-witness.js';
import { type TestCluster, type TestNode } from './sim-cluster.js';
import { StrongRecoveries, type StrongRecovery } from './strong-recoveries.js';

/** The part of a node's strong mode that sends what groups say. */
interface Post {
  post(group: StrongGroup, messages: readonly AddressedMessage[]): void;
}

const FINDINGS_MAX = 20;
const SAMPLE_EVERY_MS = 50;

export class StrongWitness {
  readonly findings: Finding[] = [];
  /** By group and generation. */
  private readonly facts = new Map<number, Map<number, GroupFacts>>();
  private readonly recoveries: StrongRecoveries;
  readonly leases: LeaseWitness;
  private readonly configurations: ConfigurationWitness;
  private readonly seen = new Map<string, Map<number, Seen>>();
  private readonly checked = new WeakSet<LogEntry>();
  private readonly heard = new WeakSet<object>();
  private sampledMs = 0;
  /** Of the run; looked up in the tables of every node now and then. */
  keys: readonly { readonly namespace: string; readonly key: string; readonly group: number }[] = [];

  constructor(private readonly cluster: TestCluster) {
    const committed = (group: StrongGroup) => this.factsOf(group).committed;
    this.recoveries = new StrongRecoveries(cluster, committed, (...finding) => this.report(...finding));
    this.leases = new LeaseWitness(cluster, (...finding) => this.report(...finding));
    this.configurations = new ConfigurationWitness(cluster, (...finding) => this.report(...finding));
    cluster.watch(() => this.look());
  }

  private get nodes(): readonly TestNode[] {
    return this.cluster.nodeIds.map((nodeId) => this.cluster.node(nodeId));
  }

  /** The node's disk is not what it was: until it has another name, it may lack what it had. */
  mayForget(nodeId: string): void {
    this.seen.delete(nodeId);
    for (const { votedTerms } of [...this.facts.values()].flatMap((all) => [...all.values()])) {
      for (const member of votedTerms.keys()) {
        if (member.startsWith(`${nodeId}@`)) {
          votedTerms.delete(member);
        }
      }
    }
  }

  /** The highest index that any member ever had as committed, in this generation of the group or in a later one. */
  committedIndex(number: number, generation: number): number {
    const lengths = [...(this.facts.get(number) ?? [])].map(([begun, { committed }]) =>
      begun >= generation ? committed.length : 1,
    );
    return Math.max(1, ...lengths) - 1;
  }

  /** The recoveries of the group that led to the generation that it has now, in order. */
  recoveriesOf(number: number): readonly StrongRecovery[] {
    return this.recoveries.of(number);
  }

  look(): void {
    for (const node of this.nodes) {
      const groups = node.alive ? groupsOf(node) : undefined;
      if (groups) {
        this.listen(node);
        const all = this.seenAt(node);
        for (const group of groups.values()) {
          this.lookAt(node, group, all);
        }
      }
    }
    this.leases.look();
    this.configurations.look();
    const now = this.cluster.scheduler.nowMs;
    if (now - this.sampledMs >= SAMPLE_EVERY_MS) {
      this.sampledMs = now;
      this.sample();
    }
  }

  private seenAt({ nodeId }: TestNode): Map<number, Seen> {
    let all = this.seen.get(nodeId);
    if (!all) {
      all = new Map();
      this.seen.set(nodeId, all);
    }
    return all;
  }

  private factsOf({ number, generation }: Pick<StrongGroup, 'number' | 'generation'>): GroupFacts {
    const generations = this.facts.get(number) ?? new Map<number, GroupFacts>();
    this.facts.set(number, generations);
    const facts = generations.get(generation) ?? new GroupFacts();
    generations.set(generation, facts);
    return facts;
  }

  private lookAt(node: TestNode, group: StrongGroup, all: Map<number, Seen>): void {
    const { raft, number } = group;
    const before = all.get(number);
    this.recoveries.watch(node, group);
    const isLeader = raft.role === 'leader' && isKnownToLead(raft);
    if (
      before?.raft === raft &&
      before.generation === group.generation &&
      before.term === raft.term &&
      before.commit === raft.commit &&
      before.lastIndex === raft.lastIndex &&
      before.lastTerm === raft.lastTerm &&
      before.durableIndex === raft.durableIndex &&
      before.isLeader === isLeader &&
      before.vote === raft.vote &&
      before.applied === group.applied
    ) {
      return;
    }
    const facts = this.factsOf(group);
    const member = memberOf(node);
    if (before?.raft !== raft) {
      // What it gave up it may have forgotten: the group does without it since then.
      const isSame = before?.generation === group.generation && !before.group.isGivenUp;
      this.restarted(number, member, raft, isSame ? before : undefined, facts);
    } else if (raft.term < before.term || raft.commit < before.commit || group.applied < before.applied) {
      this.report('append-only', number, `${member} went back: term, commit index or applied index`);
    }
    facts.members.set(member, raft);
    this.checkEntries(number, member, raft, facts);
    const from = before?.raft === raft ? before.commit : raft.firstIndex - 1;
    this.checkCommitted(number, member, raft, from, facts);
    if (isLeader && raft.commit > Math.max(from, this.recoveries.takenOver(group))) {
      this.checkMajority(number, member, raft, facts);
    }
    if (isLeader && !(before?.raft === raft && before.isLeader && before.term === raft.term)) {
      this.checkLeader(number, member, raft, facts);
    }
    all.set(number, {
      group,
      raft,
      generation: group.generation,
      member,
      term: raft.term,
      vote: raft.vote,
      commit: raft.commit,
      lastIndex: raft.lastIndex,
      lastTerm: raft.lastTerm,
      durableIndex: raft.durableIndex,
      durableTerm: raft.termAt(raft.durableIndex) ?? 0,
      isLeader,
      applied: group.applied,
    });
  }

  /** What it had as durable it has again, or it is another member. */
  private restarted(
    number: number,
    member: MemberId,
    raft: RaftGroup,
    before: Seen | undefined,
    facts: GroupFacts,
  ): void {
    const voted = facts.votedTerms.get(member);
    if (voted && (raft.term < voted.term || (raft.term === voted.term && raft.vote !== voted.candidate))) {
      this.report(
        'forgotten',
        number,
        `${member} voted for ${voted.candidate} in term ${voted.term}, and came back in ${raft.term}`,
      );
    }
    const last = before?.member === member ? before : undefined;
    if (last && facts.members.has(member)) {
      const { durableIndex, durableTerm } = last;
      const term = raft.termAt(durableIndex);
      // Terms never fall: behind a snapshot of a later one, what the log had there is of another history.
      const isVoid = (raft.termAt(raft.firstIndex - 1) ?? 0) > durableTerm;
      if (term !== durableTerm && raft.firstIndex <= durableIndex && !isVoid) {
        this.report(
          'forgotten',
          number,
          `${member} had (${durableIndex}, term ${durableTerm}) as durable, and came back with ` +
            `${raft.firstIndex} to ${raft.lastIndex}, there ${term}`,
        );
      }
    }
  }

  /** Sees what leaves a node: of votes those count that somebody was told of. */
  private listen(node: TestNode): void {
    const { node: inner } = node.strong as unknown as { node: Post };
    if (inner === undefined || this.heard.has(inner)) {
      return;
    }
    this.heard.add(inner);
    const post = inner.post.bind(inner);
    inner.post = (group, messages) => {
      for (const { to, message } of messages) {
        if (message.type === 'vote') {
          this.voted(group, memberOf(node), message.term, memberOf(node));
        } else if (message.type === 'voteReply' && message.granted) {
          this.voted(group, memberOf(node), message.term, to);
        }
      }
      post(group, messages);
    };
  }

  private voted(group: StrongGroup, member: MemberId, term: number, candidate: MemberId): void {
    const { number } = group;
    const { votes, votedTerms } = this.factsOf(group);
    if (term >= (votedTerms.get(member)?.term ?? 0)) {
      votedTerms.set(member, { term, candidate });
    }
    const key = `${member} ${term}`;
    const known = votes.get(key);
    if (known === undefined) {
      votes.set(key, candidate);
    } else if (known !== candidate) {
      this.report('election-safety', number, `${member} voted for ${known} and ${candidate} in term ${term}`);
    }
  }

  /** One entry for each (term, index), in whatever log. */
  private checkEntries(number: number, member: MemberId, raft: RaftGroup, { entries }: GroupFacts): void {
    const { log } = (
      raft as unknown as { replica: { log: { slice(from: number, to: number): readonly LogEntry[] } } }
    ).replica;
    for (let index = raft.lastIndex; index >= raft.firstIndex; index--) {
      const [entry] = log.slice(index, index);
      if (!entry || this.checked.has(entry)) {
        return;
      }
      this.checked.add(entry);
      const sum = crc32(entry.data, entry.kind.length);
      const key = `${entry.term} ${index}`;
      const known = entries.get(key);
      if (known === undefined) {
        entries.set(key, sum);
      } else if (known !== sum) {
        this.report(
          'log-matching',
          number,
          `${member} has another entry (${index}, term ${entry.term}) than others`,
        );
      }
    }
  }

  private checkCommitted(
    number: number,
    member: MemberId,
    raft: RaftGroup,
    from: number,
    { committed }: GroupFacts,
  ): void {
    for (let index = Math.max(from + 1, raft.firstIndex - 1); index <= raft.commit; index++) {
      const term = raft.termAt(index);
      const known = committed[index];
      if (term === undefined) {
        continue;
      }
      if (known === undefined) {
        committed[index] = term;
      } else if (known !== term) {
        this.report(
          'state-machine-safety',
          number,
          `${member} committed (${index}, term ${term}), others term ${known}`,
        );
        return;
      }
    }
  }

  private checkMajority(number: number, member: MemberId, raft: RaftGroup, { members }: GroupFacts): void {
    const { commit } = raft;
    const term = raft.termAt(commit);
    const isDurableAt = (voter: MemberId) => {
      const other = members.get(voter);
      return (
        other !== undefined &&
        (other.firstIndex > commit || (other.durableIndex >= commit && other.termAt(commit) === term))
      );
    };
    if (!hasQuorum(raft.configuration, isDurableAt)) {
      this.report('commit-without-majority', number, `${member} committed (${commit}, term ${term})`);
    }
  }

  private checkLeader(number: number, member: MemberId, raft: RaftGroup, facts: GroupFacts): void {
    const { leaders, committed } = facts;
    const other = leaders.get(raft.term);
    if (other !== undefined && other !== member) {
      this.report('election-safety', number, `${other} and ${member} both lead term ${raft.term}`);
    }
    const isLatest = raft.term >= Math.max(0, ...leaders.keys());
    leaders.set(raft.term, member);
    for (let index = committed.length - 1; isLatest && index >= raft.firstIndex - 1 && index > 0; index--) {
      const term = committed[index];
      if (term !== undefined && term < raft.term && raft.termAt(index) !== term) {
        this.report(
          'leader-completeness',
          number,
          `${member} leads term ${raft.term} and lacks (${index}, term ${term})`,
        );
        return;
      }
    }
  }

  /** What members show at the same applied index is the same. */
  private sample(): void {
    for (const node of this.nodes) {
      const groups = node.alive ? groupsOf(node) : undefined;
      for (const group of groups?.values() ?? []) {
        this.sampleState(group, node);
      }
      if (groups) {
        this.sampleKeys(node, groups);
      }
    }
  }

  private sampleState(group: StrongGroup, { nodeId }: TestNode): void {
    const { number, applied } = group;
    const facts = this.factsOf(group);
    // Who joined an existing cluster learns who votes from the log, or with a snapshot.
    if (group.isFetching || applied === 0 || group.appliedState().configuration.voters.length === 0) {
      return;
    }
    const digest = crc32(encodeAppliedState({ ...group.appliedState(), wholeFrom: 0 }));
    const known = facts.states.get(applied);
    if (known === undefined) {
      facts.states.set(applied, digest);
    } else if (known !== digest) {
      this.report(
        'divergence',
        number,
        `${nodeId} at index ${applied} has another state than others had there`,
      );
    }
    const isLater = applied >= facts.logTimeIndex;
    if (isLater ? group.logTimeMs < facts.logTimeMs : group.logTimeMs > facts.logTimeMs) {
      this.report(
        'log-time',
        number,
        `log time ${group.logTimeMs} at ${applied}, ${facts.logTimeMs} at ${facts.logTimeIndex}`,
      );
    }
    if (isLater) {
      facts.logTimeIndex = applied;
      facts.logTimeMs = group.logTimeMs;
    }
  }

  private sampleKeys(node: TestNode, groups: GroupList): void {
    for (const { namespace, key, group: number } of this.keys) {
      const group = groups.get(number);
      const record = group?.isWhole ? node.storage.strong.peek(number, namespace, key) : undefined;
      if (!group || record === undefined) {
        continue;
      }
      const { versions } = this.factsOf(group);
      const name = `${group.applied} ${key}`;
      const version = record?.index ?? 0;
      const known = versions.get(name);
      if (known === undefined) {
        versions.set(name, version);
      } else if (known !== version) {
        this.report(
          'divergence',
          number,
          `${node.nodeId} shows ${key} as of ${version}, others ${known}, at ${group.applied}`,
        );
      }
    }
  }

  private report(rule: FindingRule, group: number, message: string): void {
    if (this.findings.length < FINDINGS_MAX) {
      const at = Math.round(this.cluster.scheduler.nowMs);
      this.findings.push({ rule, key: `group ${group}`, message: `at ${at} ms ${message}`, operations: [] });
    }
  }
}
