/** Sees groups begin a generation with what is left of them (rules 13 and 14), and holds it against what every member has. */
import { type RaftGroup } from '../../src/raft/raft-group.js';
import { type StrongGroup } from '../../src/strong/strong-group.js';
import { type LostTail } from './checkers/lost-tail.js';
import { type FindingRule } from './checkers/finding.js';
import { groupsOf, memberOf } from './group-facts.js';
import { type TestCluster, type TestNode } from './sim-cluster.js';

export interface StrongRecovery extends LostTail {
  /** The generation that it goes on from. */
  readonly from: number;
}

type Report = (rule: FindingRule, number: number, message: string) => void;

export class StrongRecoveries {
  /** By group and by the generation that began. */
  private readonly begun = new Map<number, Map<number, StrongRecovery>>();
  private readonly watched = new WeakSet<StrongGroup>();

  constructor(
    private readonly cluster: TestCluster,
    /** Term of the committed entry by index, in the group's generation. */
    private readonly committedOf: (group: StrongGroup) => readonly (number | undefined)[],
    private readonly report: Report,
  ) {}

  watch(node: TestNode, group: StrongGroup): void {
    if (this.watched.has(group)) {
      return;
    }
    this.watched.add(group);
    const recover = group.recover.bind(group);
    group.recover = (generation, ...how) => {
      this.begins(node, group, generation);
      recover(generation, ...how);
    };
  }

  /** Those that led to the newest generation that a leader serves, in order; others came to nothing. */
  of(number: number): readonly StrongRecovery[] {
    const begun = this.begun.get(number);
    const served = this.cluster.nodeIds
      .map((nodeId) => groupsOf(this.cluster.node(nodeId))?.get(number))
      .filter((group) => group?.leads)
      .map((group) => group!.generation);
    const chain: StrongRecovery[] = [];
    const newest = served.length > 0 ? served : [...(begun?.keys() ?? [])];
    for (let one = begun?.get(Math.max(...newest)); one; one = begun?.get(one.from)) {
      chain.unshift(one);
    }
    return chain;
  }

  /** Up to where all counts as committed from the first moment on: what the group's generation took over, and its own beginning. */
  takenOver({ number, generation }: StrongGroup): number {
    const recovery = this.begun.get(number)?.get(generation);
    return recovery ? recovery.endIndex + 1 : 0;
  }

  private begins(node: TestNode, group: StrongGroup, generation: number): void {
    const { number, raft, applied, generation: from } = group;
    const begun = this.begun.get(number) ?? new Map<number, StrongRecovery>();
    this.begun.set(number, begun);
    if (begun.has(generation)) {
      this.report('election-safety', number, `generation ${generation} is begun twice`);
    }
    begun.set(generation, {
      from,
      generation,
      lastIndex: sharedIndex(raft, this.committedOf(group)),
      endIndex: raft.lastIndex,
      applied,
      beganMs: this.cluster.scheduler.nowMs,
    });
    this.checkBase(node, group);
  }

  /**
   * What was committed, and what any member of the generation that ends has yet, must go on. All of them are there when a
   * generation begins; one that has gone down since is not asked.
   */
  private checkBase(base: TestNode, group: StrongGroup): void {
    const { number, generation, raft } = group;
    const committed = this.committedOf(group);
    for (const nodeId of group.list) {
      const node = this.cluster.node(nodeId);
      const other = node.alive ? groupsOf(node)?.get(number) : undefined;
      const isOfIt = other?.generation === generation && other.isComplete;
      const index = other && isOfIt ? heldIndex(other.raft, committed) : 0;
      if (raft.firstIndex <= index && raft.termAt(index) !== committed[index]) {
        const lacks = `(${index}, term ${committed[index]}), which ${memberOf(node)} has`;
        const message = `${memberOf(base)} ends generation ${generation} at ${raft.lastIndex} and lacks ${lacks}`;
        this.report('leader-completeness', number, message);
        return;
      }
    }
  }
}

/**
 * Whether a group waits for an operator since what is known as committed is in nobody's hands any more: the records of one
 * member are void, it took them over or found damage in them the moment before all lost power, and nobody else's log leads
 * up to where its own begins.
 */
export function isBeyondRecovery(cluster: TestCluster): boolean {
  return Array.from({ length: cluster.ring.partitions }, (_, number) => number).some((number) => {
    const groups = cluster.nodeIds.flatMap((nodeId) => groupsOf(cluster.node(nodeId))?.get(number) ?? []);
    const others = groups.filter(({ isWhole }) => isWhole);
    return (
      !groups.some(({ leads }) => leads) &&
      groups.some(({ isWhole, raft }) => {
        const start = raft.firstIndex - 1;
        const term = raft.termAt(start);
        const lacks = others.every((other) => other.applied < start && other.raft.termAt(start) !== term);
        return !isWhole && lacks;
      })
    );
  });
}

/**
 * Whether a group waits for an operator since it was about to change its members when a node forgot: in one half of the joint
 * configuration no majority is left, and what the others hold need not be all (rule 13).
 */
export function isLostWhileJoint(cluster: TestCluster): boolean {
  const living = new Set(cluster.nodeIds.map((nodeId) => memberOf(cluster.node(nodeId))));
  const hasMajority = (members: readonly string[]) =>
    2 * members.filter((member) => living.has(member)).length > members.length;
  const groups = cluster.nodeIds.flatMap((nodeId) => groupsOf(cluster.node(nodeId))?.values() ?? []);
  return groups.some(({ number, raft: { configuration } }) => {
    const { voters, outgoing } = configuration;
    const isLed = groups.some((other) => other.number === number && other.leads);
    return !isLed && outgoing.length > 0 && !(hasMajority(voters) && hasMajority(outgoing));
  });
}

/** Up to where a log has nothing else than what was committed. */
function sharedIndex(raft: RaftGroup, committed: readonly (number | undefined)[]): number {
  for (let index = raft.firstIndex; index <= raft.lastIndex; index++) {
    if (committed[index] !== undefined && committed[index] !== raft.termAt(index)) {
      return index - 1;
    }
  }
  return raft.lastIndex;
}

/** Up to where a durable log is what was committed. */
function heldIndex(raft: RaftGroup, committed: readonly (number | undefined)[]): number {
  for (let index = Math.min(raft.durableIndex, committed.length - 1); index >= raft.firstIndex; index--) {
    if (committed[index] !== undefined && raft.termAt(index) === committed[index]) {
      return index;
    }
  }
  return raft.firstIndex - 1;
}
