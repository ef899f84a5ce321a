/** How the groups of a placement class come to be, once, where the cluster was born without them: rule 0. */
import { type MemberId } from '../model/raft-messages.js';
import { type FirstMembers, type NodeMessage } from '../model/node-messages.js';
import { type Logger } from '../ports/logger.js';
import { type PeerDirectory } from './peer-directory.js';
import { PLACEMENTS_MAX } from '../model/membership.js';
import { type Peer } from './peers.js';

/** What is noted durably of the groups of a class: `lists` are those of its partitions alone. */
export interface ClassNote extends FirstMembers {
  /** Whether it is known that every node has accepted these members. */
  readonly isBorn: boolean;
}

/** By number of the class. */
export type ClassNotes = Readonly<Record<number, ClassNote>>;
export type ClassMessage = Extract<NodeMessage, { kind: 'class' }>;

/** Under which name the notes are kept. */
export const CLASSES_META = 'classes';
const NOTHING_KNOWN: ClassNote = Object.freeze({ members: [], lists: [], isBorn: false });
const BORN_WITHOUT_NOTE: ClassNote = Object.freeze({ members: [], lists: [], isBorn: true });
const ASK_EVERY_TICKS = 3;

export interface ClassBirthServices {
  readonly selfId: string;
  /** This node, as the groups know it now. */
  readonly self: () => MemberId;
  /** All members of the cluster. */
  readonly nodeIds: () => readonly string[];
  /** Where the partitions of a class are now, as {@link FirstMembers} has it; undefined before the cluster has agreed on the class. */
  readonly listsOf: (placement: number, members: readonly MemberId[]) => FirstMembers['lists'] | undefined;
  readonly directory: () => PeerDirectory;
  readonly logger: Logger;
  /** Before the cluster is born, nothing is asked or said. */
  readonly isClusterBorn: () => boolean;
  /** The first members of a class, where the cluster was born with its groups. */
  bornWithCluster(placement: number): FirstMembers | undefined;
  /** The classes that it was born with. */
  readonly classesOfCluster: () => readonly number[];
  /** Whether this node has anything of such a group, a vote included. */
  hasGroups(placement: number): boolean;
  post(nodeId: string, message: ClassMessage): void;
  /** Resolves when the notes are durable. */
  note(notes: ClassNotes): Promise<void>;
  /** The groups of a class are born. */
  born(placement: number, first: FirstMembers): void;
}

interface Report extends ClassNote {
  readonly member: MemberId;
}

/**
 * A namespace that is declared later, as the first of its class, needs groups that were not there when the
 * cluster was born; the first incarnations may be gone by then. As at the birth of the cluster ({@link Birth}) the node with
 * the lowest id asks every other, and only when each has said that it has no such group, and knows of none, it proposes the
 * incarnations that the nodes have now; each accepts durably, then all are told. Nothing is voted on before.
 *
 * Only the lowest node proposes, it is one of those it proposes, and it notes a birth before it tells it: while it has
 * the incarnation under which it proposed, it knows what was born. Where it has another, members that all accepted who have
 * not forgotten it may have been born: then those are proposed again.
 */
export class ClassBirth {
  /** By namespaces of this node, and of others that asked. */
  private readonly declared = new Set<number>();
  private readonly wanted = new Set<number>();
  private readonly reports = new Map<number, Map<string, Report>>();
  private isNoting = false;
  private ticks = 0;

  constructor(
    private readonly services: ClassBirthServices,
    private notes: ClassNotes,
  ) {}

  /** A namespace of this node is of that class. */
  want(placement: number): void {
    this.declared.add(placement);
    this.wanted.add(placement);
  }

  noteOf(placement: number): ClassNote {
    const first = this.services.bornWithCluster(placement);
    const noted = first ? { ...first, isBorn: true } : (this.notes[placement] ?? NOTHING_KNOWN);
    return !noted.isBorn && this.services.hasGroups(placement) ? BORN_WITHOUT_NOTE : noted;
  }

  /** The classes of which there are groups in this cluster, as far as it is known here. */
  get known(): readonly number[] {
    const classes = new Set([...this.services.classesOfCluster(), ...Object.keys(this.notes).map(Number)]);
    return [...classes].filter((placement) => this.noteOf(placement).isBorn);
  }

  /** Nodes that have not yet said whether they have groups of which this node has none; empty where nothing is missed. */
  get missing(): readonly string[] {
    const { nodeIds, selfId, directory } = this.services;
    const isAwaited = [...this.declared].some((placement) => !this.noteOf(placement).isBorn);
    return isAwaited ? nodeIds().filter((nodeId) => nodeId !== selfId && !directory().isUp(nodeId)) : [];
  }

  /** Once a heartbeat interval. */
  tick(): void {
    if (!this.services.isClusterBorn() || this.ticks++ % ASK_EVERY_TICKS !== 0) {
      return;
    }
    for (const placement of new Set([...this.wanted, ...this.known])) {
      const own = this.noteOf(placement);
      for (const nodeId of this.others) {
        const report = this.reportOf(placement, nodeId);
        // Who has joined later, or has no such namespace yet, takes part all the same: what is born must be told to all.
        const isTold = own.isBorn ? report?.isBorn : this.isLowest && report;
        if (!isTold) {
          this.say(nodeId, placement, 'ask', own);
        }
      }
      this.lead(placement);
    }
  }

  receive(peer: Peer, { placement, intent, members, lists, isBorn }: ClassMessage): void {
    const { isClusterBorn, nodeIds } = this.services;
    // What does not come from the cluster's configuration would only fill the memory.
    if (!isClusterBorn() || placement >= PLACEMENTS_MAX) {
      return;
    }
    const own = this.noteOf(placement);
    if (intent === 'propose') {
      const accepted = { members, lists, isBorn: false };
      if (own.isBorn || peer.nodeId !== lowestOf(nodeIds())) {
        this.say(peer.nodeId, placement, 'tell', own);
      } else {
        this.keep(placement, accepted, () =>
          this.say(peer.nodeId, placement, 'tell', this.noteOf(placement)),
        );
      }
      return;
    }
    let reports = this.reports.get(placement);
    if (!reports) {
      reports = new Map();
      this.reports.set(placement, reports);
    }
    reports.set(peer.nodeId, { member: peer.member, members, lists, isBorn });
    if (intent === 'ask') {
      this.say(peer.nodeId, placement, 'tell', own);
      // It may be that no namespace here is of that class, and that this node has to lead the birth all the same.
      this.wanted.add(placement);
    }
    if (isBorn && !own.isBorn) {
      // Who knows of no members has groups all the same: then those that were accepted here are the ones.
      this.finish(placement, members.length > 0 ? { members, lists } : own);
    } else {
      this.lead(placement);
    }
  }

  /** Of the node with the lowest id: the next step, where there is one. */
  private lead(placement: number): void {
    const own = this.noteOf(placement);
    if (!this.isLowest || own.isBorn || !this.wanted.has(placement)) {
      return;
    }
    const reports: Report[] = [{ ...own, member: this.services.self() }];
    for (const nodeId of this.others) {
      const report = this.reportOf(placement, nodeId);
      if (!report) {
        return;
      }
      reports.push(report);
    }
    const first =
      this.mayBeBorn(reports) ?? this.firstOf(placement, reports.map(({ member }) => member).sort());
    if (!first) {
      return;
    }
    if (!isSame(own, first)) {
      this.keep(placement, { ...first, isBorn: false }, () => this.lead(placement));
      return;
    }
    let isAccepted = true;
    for (const nodeId of this.others) {
      if (!isSame(this.reportOf(placement, nodeId)!, first)) {
        isAccepted = false;
        this.say(nodeId, placement, 'propose', own);
      }
    }
    if (isAccepted) {
      this.finish(placement, first);
    }
  }

  private firstOf(placement: number, members: readonly MemberId[]): FirstMembers | undefined {
    const lists = this.services.listsOf(placement, members);
    return lists && { members, lists };
  }

  private get others(): readonly string[] {
    const { nodeIds, selfId } = this.services;
    return nodeIds().filter((nodeId) => nodeId !== selfId);
  }

  /** What an earlier incarnation of this node may have told to be born: all who have not forgotten it have accepted it. */
  private mayBeBorn(reports: readonly Report[]): FirstMembers | undefined {
    const self = this.services.self();
    const found = reports.find(
      (first) =>
        first.members.length > 0 &&
        !first.members.includes(self) &&
        reports.every((report) => !first.members.includes(report.member) || isSame(report, first)),
    );
    return found && { members: found.members, lists: found.lists };
  }

  /** What the node has said as the incarnation that it is. */
  private reportOf(placement: number, nodeId: string): Report | undefined {
    const report = this.reports.get(placement)?.get(nodeId);
    return report?.member === this.services.directory().find(nodeId)?.member ? report : undefined;
  }

  private finish(placement: number, { members, lists }: FirstMembers): void {
    const note = { members, lists, isBorn: true };
    this.keep(placement, note, () => {
      this.services.born(placement, note);
      for (const nodeId of this.others) {
        this.say(nodeId, placement, 'tell', note);
      }
    });
  }

  /** One at a time; what could not be noted is tried again by the next tick. */
  private keep(placement: number, note: ClassNote, then: () => void): void {
    if (this.isNoting) {
      return;
    }
    this.isNoting = true;
    const notes = { ...this.notes, [placement]: note };
    this.services.note(notes).then(
      () => {
        this.isNoting = false;
        this.notes = notes;
        then();
      },
      (error: Error) => {
        this.isNoting = false;
        this.services.logger.error(
          `The birth of the partitions of class ${placement} could not be noted in the data folder: ${error.message}`,
        );
      },
    );
  }

  private say(
    nodeId: string,
    placement: number,
    intent: ClassMessage['intent'],
    { members, lists, isBorn }: ClassNote,
  ): void {
    this.services.post(nodeId, { kind: 'class', placement, intent, members, lists, isBorn });
  }

  private get isLowest(): boolean {
    return this.services.selfId === lowestOf(this.services.nodeIds());
  }
}

function lowestOf(nodeIds: readonly string[]): string {
  return [...nodeIds].sort()[0]!;
}

function isSame(one: FirstMembers, other: FirstMembers): boolean {
  return one.members.join() === other.members.join() && one.lists.join(' ') === other.lists.join(' ');
}
