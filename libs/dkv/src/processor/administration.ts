/** What an operator asks of a whole cluster by way of one node: each copy is asked for at the node that has it. */
import { type CoreContext } from '../cluster/core-context.js';
import { Deadline } from '../cluster/deadline.js';
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type AdministrationHandlers } from '../eventual/inbound-handler.js';
import {
  type CopyOfKey,
  type Explanation,
  type GroupPosition,
  type PartitionReport,
} from '../model/cluster-report.js';
import { hex8 } from '../model/hex.js';
import { assertKey, type RecordId } from '../model/key.js';
import { type GroupStatus, type PeerProtocol, type TransferState } from '../model/peer-protocol.js';
import { type StrongGroups } from '../ports/strong-groups.js';
import { strongClasses } from '../strong/own-groups.js';
import { findingsOf } from './copy-findings.js';

/** For all answers to one question, however many pages they have. */
const QUESTION_MS = 10_000;
/** Between two looks whether a leadership was taken over. */
const LOOK_MS = 50;

/** A copy of a group, as its node told. */
interface ToldGroup {
  readonly nodeId: string;
  readonly status: GroupStatus;
}

type Kind = keyof AdministrationHandlers;

export class Administration {
  constructor(
    private readonly context: CoreContext,
    private readonly strong: StrongGroups,
    /** Of this node. */
    private readonly own: AdministrationHandlers,
  ) {}

  /** One for each group of strong namespaces. A node that does not answer within 10 s is missing among its members. */
  async partitions(): Promise<readonly PartitionReport[]> {
    const { view, namespaces, clock } = this.context;
    const deadline = new Deadline(clock, QUESTION_MS);
    const told = new Map<number, ToldGroup[]>();
    const ask = async (nodeId: string) => {
      for (const status of await this.groupsOf(nodeId, deadline)) {
        const known = told.get(status.group) ?? [];
        told.set(status.group, known);
        known.push({ nodeId, status });
      }
    };
    await Promise.all(view.members.map(({ node }) => ask(node.nodeId)));
    return [...strongClasses(namespaces)]
      .sort((one, other) => one - other)
      .flatMap((placement) =>
        Array.from({ length: view.slices }, (_, partition) => {
          const group = view.firstOf(placement) + partition;
          const copies = view.copiesAskedOf(group);
          return this.reportOf({ partition, group, copies }, told.get(group) ?? []);
        }),
      );
  }

  /**
   * Where a key is and what each of its nodes has of it; a node that does not answer within `peerTimeoutMs` has an `error`.
   * @throws DkvError `DKV_INVALID_KEY`, `DKV_UNKNOWN_NAMESPACE`
   */
  async explain(namespace: string, key: string): Promise<Explanation> {
    assertKey(key);
    const { view, namespaces, clock } = this.context;
    const { mode, placement } = namespaces.get(namespace);
    const deadline = new Deadline(clock, QUESTION_MS);
    const group = view.partitionOf(key, placement);
    const list = view.listOf(group);
    const id = { partition: group, namespace, key };
    const copies = await Promise.all(list.map((nodeId) => this.copyAt(nodeId, id, deadline)));
    return {
      namespace,
      key,
      mode,
      hash: hex8(view.hashOf(key)),
      partition: view.partitionOf(key, 0),
      group,
      list,
      leader: mode === 'strong' ? this.strong.leaderOf(group) : '',
      copies,
      findings: findingsOf(mode, copies),
    };
  }

  /**
   * Resolves when the node leads the group. It keeps the leadership for ten minutes, if it can; after them the preferred
   * leader takes it back.
   * @throws DkvError `DKV_INVALID_ARGUMENT` (no such group, or the node holds no copy of it), `DKV_NOT_READY` (the node does not
   *   answer, is no voter yet, has not caught up, or is not fit to lead), `DKV_QUORUM_NOT_REACHED` (nobody leads the group),
   *   `DKV_TIMEOUT` (it did not take over)
   */
  async transferLeadership(group: number, nodeId: string, timeoutMs: number): Promise<void> {
    this.assertHolds(group, nodeId);
    const deadline = new Deadline(this.context.clock, timeoutMs);
    let leader = '';
    let begunBy = '';
    let obstacle: DkvError | undefined;
    do {
      // First, so that the node does not give away at once what it gets.
      if ((await this.askSuccessor(group, nodeId, deadline)) === 'leads') {
        return;
      }
      leader = this.strong.leaderOf(group);
      // Once each: while a leader hands its group on, it decides nothing.
      if (leader !== '' && leader !== nodeId && leader !== begunBy) {
        try {
          const { state } = await this.ask(leader, 'transferLeadership', { group, nodeId }, deadline);
          begunBy = state === 'begun' ? leader : begunBy;
          obstacle = undefined;
        } catch (error) {
          // A leader that does not answer has a successor soon.
          obstacle = isDkvError(error, 'DKV_NOT_READY') ? error : obstacle;
        }
      }
      await deadline.pause(LOOK_MS);
    } while (!deadline.over);
    throw leader === ''
      ? nobodyLeads(group, nodeId)
      : (obstacle ?? notTaken(group, nodeId, leader, timeoutMs));
  }

  /** How long the cheapest question takes to a node and back, milliseconds. @throws DkvError as PeerClient.call */
  async roundTripMs(nodeId: string): Promise<number> {
    const { clock, peers, limits } = this.context;
    const askedMs = clock.monotonic();
    await peers.call(nodeId, 'getRoots', { partitions: [] }, { timeoutMs: limits.peerTimeoutMs });
    return clock.monotonic() - askedMs;
  }

  private assertHolds(group: number, nodeId: string): void {
    const { view, namespaces } = this.context;
    const isKnown = Number.isSafeInteger(group) && group >= 0 && group < view.partitions;
    if (!isKnown || !strongClasses(namespaces).includes(view.placementOf(group))) {
      throw new DkvError('DKV_INVALID_ARGUMENT', `There is no group ${group} of strong namespaces.`);
    }
    if (!view.holds(group, nodeId)) {
      throw new DkvError(
        'DKV_INVALID_ARGUMENT',
        `Node ${nodeId} holds no copy of partition ${group}: name one of ${view.listOf(group).join(', ')}.`,
      );
    }
  }

  private async askSuccessor(group: number, nodeId: string, deadline: Deadline): Promise<TransferState> {
    try {
      return (await this.ask(nodeId, 'transferLeadership', { group, nodeId }, deadline)).state;
    } catch (cause) {
      if (deadline.over) {
        return 'elsewhere';
      }
      throw new DkvError(
        'DKV_NOT_READY',
        `Node ${nodeId} cannot lead partition ${group}: it does not answer (${messageOf(cause)}). Start it, or name ` +
          'another node.',
        { cause },
      );
    }
  }

  /** As many as were told in time. */
  private async groupsOf(nodeId: string, deadline: Deadline): Promise<readonly GroupStatus[]> {
    const { view } = this.context;
    const told: GroupStatus[] = [];
    try {
      for (let first = 0; first < view.partitions && !deadline.over;) {
        const { groups, done } = await this.ask(nodeId, 'getGroups', { first }, deadline);
        told.push(...groups.filter(({ group }) => group >= first && group < view.partitions));
        first = done ? view.partitions : Math.max(first, told.at(-1)?.group ?? first) + 1;
      }
    } catch {
      // Whoever does not answer is missing in the report.
    }
    return told.filter(({ group }) => view.holds(group, nodeId));
  }

  private async copyAt(nodeId: string, id: RecordId, deadline: Deadline): Promise<CopyOfKey> {
    try {
      const { group, ...rest } = await this.ask(nodeId, 'getStatus', { id }, deadline);
      return { nodeId, ...(group && { group: { nodeId, ...group } }), ...rest };
    } catch (error) {
      return { nodeId, error: messageOf(error) };
    }
  }

  private ask<K extends Kind>(
    nodeId: string,
    kind: K,
    ask: PeerProtocol[K]['ask'],
    deadline: Deadline,
  ): Promise<PeerProtocol[K]['answer']> {
    const { view, peers, limits, clock } = this.context;
    const timeoutMs = Math.max(1, Math.min(limits.peerTimeoutMs, deadline.leftMs));
    if (nodeId !== view.selfId) {
      return peers.call(nodeId, kind, ask, { timeoutMs });
    }
    return new Deadline(clock, timeoutMs).race(this.own[kind](ask), () => {
      throw new DkvError(
        'DKV_TIMEOUT',
        `Node ${nodeId}, which was asked, has no answer within ${timeoutMs} ms.`,
      );
    });
  }

  private reportOf(
    names: Pick<PartitionReport, 'partition' | 'group' | 'copies'>,
    told: readonly ToldGroup[],
  ): PartitionReport {
    const { group } = names;
    const [newest] = [...told].sort(newestFirst);
    const isLed = newest?.status.role === 'leader';
    const list = this.context.view.listOf(group);
    const members = [...told].sort((one, other) => list.indexOf(one.nodeId) - list.indexOf(other.nodeId));
    return {
      ...names,
      list,
      leader: isLed ? newest.nodeId : this.strong.leaderOf(group),
      takesWrites: this.strong.takesWrites(group),
      ...(newest && configurationOf(newest.status)),
      members: members.map(({ nodeId, status }) => ({ nodeId, ...positionOf(status) })),
    };
  }
}

/** The higher generation and term, in it the leader, and the longer log. */
function newestFirst({ status: one }: ToldGroup, { status: other }: ToldGroup): number {
  return (
    other.generation - one.generation ||
    other.term - one.term ||
    Number(other.role === 'leader') - Number(one.role === 'leader') ||
    other.lastIndex - one.lastIndex
  );
}

function configurationOf({
  voters,
  outgoing,
  learners,
}: GroupStatus): Pick<GroupStatus, 'voters' | 'outgoing' | 'learners'> {
  return { voters, outgoing, learners };
}

function positionOf({ role, term, lastIndex, commit, applied, generation }: GroupPosition): GroupPosition {
  return { role, term, lastIndex, commit, applied, generation };
}

function nobodyLeads(group: number, nodeId: string): DkvError {
  return new DkvError(
    'DKV_QUORUM_NOT_REACHED',
    `Nobody leads partition ${group} now, as far as this node knows: there is nothing to hand to node ${nodeId}. Wait until ` +
      'a majority of its nodes is there.',
  );
}

function notTaken(group: number, nodeId: string, leader: string, timeoutMs: number): DkvError {
  return new DkvError(
    'DKV_TIMEOUT',
    `Node ${nodeId} did not take over partition ${group} within ${timeoutMs} ms; node ${leader} leads it, as far as this ` +
      'node knows. Try again.',
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
