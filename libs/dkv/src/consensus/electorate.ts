/** The nodes of a key as one: asks them all, this one included, and ends a phase as soon as its verdict is known. */
import { majorityOf } from '../model/consistency.js';
import { type RecordId } from '../model/key.js';
import { type Accepted, type PeerProtocol } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { type CoreContext } from '../processor/core-context.js';
import { type Deadline } from '../processor/deadline.js';
import { type OwnWrites } from '../processor/own-writes.js';
import { type HintedHandoff } from '../repair/hinted-handoff.js';
import { type Acceptor } from './acceptor.js';
import { type Notices } from './notices.js';
import { AcceptPhase, type PhaseState, PreparePhase } from './round.js';
import { type Ballot } from './rules.js';

export type Found =
  | { readonly latest: Accepted | undefined; readonly unanimous: boolean }
  | { readonly lost: true; readonly seen: Ballot };

export interface Proposal {
  readonly ballot: Ballot;
  readonly record: KvRecord;
  /** This node's next ballot for the key. */
  readonly next: Ballot;
}

interface Phase<A> {
  readonly state: PhaseState;
  add(answer: A | undefined): void;
}

/** What became of the accept of a record at the nodes of its key. */
export interface Spread {
  readonly id: RecordId;
  /** Nodes that have not accepted it, as far as is known: they get a hint when it is committed. */
  readonly lacking: Set<string>;
  /** Nodes that were asked and have not answered. */
  open: number;
}

export class Electorate {
  /** Committed, and not answered by every node yet. */
  private readonly spreading = new Set<Spread>();
  private readonly hinting = new Set<Promise<unknown>>();
  /** Requests that have not ended, and rounds that are neither lost nor announced. */
  private underWay = 0;
  private ended: (() => void) | undefined;

  constructor(
    private readonly context: CoreContext,
    private readonly acceptor: Acceptor,
    private readonly notices: Notices,
    private readonly hints: HintedHandoff,
    private readonly ownWrites: OwnWrites,
  ) {}

  /** Nothing new comes: resolves when every request under way has ended, and every hint is kept. */
  async idle(): Promise<void> {
    do {
      // Late answers are not waited for any longer: who lacks a record gets its hint now.
      for (const spread of this.spreading) {
        this.hintWhoLacks(spread);
      }
      this.spreading.clear();
      await Promise.all(this.hinting);
      if (this.underWay > 0) {
        await new Promise<void>((resolve) => (this.ended = resolve));
      }
    } while (this.underWay > 0 || this.spreading.size > 0 || this.hinting.size > 0);
  }

  async prepare(id: RecordId, ballot: Ballot, deadline: Deadline): Promise<Found> {
    const { nodes, majority } = this.nodesOf(id);
    const phase = new PreparePhase(majority, nodes.length);
    await this.ask(nodes, phase, deadline, (nodeId) =>
      this.at(nodeId, 'prepare', { id, ballot }, deadline, () => this.acceptor.prepare({ id, ballot })),
    );
    return phase.state === 'won'
      ? { latest: phase.latest, unanimous: phase.unanimous }
      : { lost: true, seen: phase.seen };
  }

  /** Whether a majority accepted. Nodes that have not answered by then are asked to the end all the same. */
  async accept(
    id: RecordId,
    { ballot, record, next }: Proposal,
    deadline: Deadline,
  ): Promise<{ readonly won: boolean; readonly seen: Ballot; readonly spread: Spread }> {
    const { nodes, majority } = this.nodesOf(id);
    const phase = new AcceptPhase(majority, nodes.length);
    const lacking = new Set(this.context.view.listOf(id.partition));
    const spread: Spread = { id, lacking, open: nodes.length };
    // Until it is lost or announced: between an answer and what follows from it nothing may seem to be idle.
    this.underWay++;
    await this.ask(
      nodes,
      phase,
      deadline,
      (nodeId) => {
        const ask = { partition: id.partition, ballot, record, next, settled: this.notices.take(nodeId) };
        return this.at(nodeId, 'accept', ask, deadline, () => this.acceptor.accept(ask));
      },
      (nodeId, vote) => {
        if (vote?.accepted) {
          lacking.delete(nodeId);
        }
        spread.open--;
        this.hintIfOver(spread);
      },
    );
    const won = phase.state === 'won';
    if (!won) {
      this.end();
    }
    return { won, seen: phase.seen, spread };
  }

  /**
   * The record is committed, as `accept` has found: this node shows it from now on, the others are told, who missed it
   * gets a hint. Never rejects: what fails here changes nothing about that.
   */
  async announce(record: KvRecord, spread: Spread): Promise<void> {
    const { id } = spread;
    const { view } = this.context;
    const notice = { partition: id.partition, namespace: id.namespace, key: id.key, version: record.version };
    for (const nodeId of view.listOf(id.partition)) {
      if (nodeId !== view.selfId) {
        this.notices.add(nodeId, notice);
      }
    }
    await this.shown(id, record, this.show(id, record));
    // Not before: a hint is replayed with what is shown here.
    this.spreading.add(spread);
    this.hintIfOver(spread);
    this.end();
  }

  private show(id: RecordId, record: KvRecord): Promise<void> {
    return this.acceptor.show(id, record);
  }

  /** A majority accepted it before: this node shows it too. Never rejects. */
  async showHere(id: RecordId, { ballot, record }: Accepted): Promise<void> {
    await this.shown(id, record, this.acceptor.learn(id, record, ballot));
  }

  private async shown(id: RecordId, record: KvRecord, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      // This node's own copy stays behind what it acknowledges now: its reads must look elsewhere.
      this.ownWrites.note(id, record.version, this.context.view.selfId);
      const reason = (error as Error).message;
      this.context.logger.debug?.(`A commit of key ${JSON.stringify(id.key)} is not shown here: ${reason}`);
    }
  }

  private hintIfOver(spread: Spread): void {
    if (spread.open === 0 && this.spreading.delete(spread)) {
      this.hintWhoLacks(spread);
    }
  }

  private hintWhoLacks({ id, lacking }: Spread): void {
    for (const nodeId of lacking) {
      if (nodeId !== this.context.view.selfId) {
        const { partition, namespace, key } = id;
        const hinting = this.hints.add({ partition, namespace, key, nodeId });
        this.hinting.add(hinting);
        void hinting.finally(() => this.hinting.delete(hinting));
      }
    }
  }

  /** All of the key's nodes but those that are down, and how many of all must agree. */
  private nodesOf({ partition }: RecordId): { nodes: readonly string[]; majority: number } {
    const { view } = this.context;
    return { nodes: view.reachable(partition), majority: majorityOf(view.copiesOf(partition)) };
  }

  /**
   * Resolves when the phase is won or lost or the time is over; answers that come later still count in it. `answered`
   * is told every answer, or that there is none.
   */
  private ask<A>(
    nodes: readonly string[],
    phase: Phase<A>,
    deadline: Deadline,
    one: (nodeId: string) => Promise<A>,
    answered: (nodeId: string, answer: A | undefined) => void = () => undefined,
  ): Promise<void> {
    return deadline.until((done) => {
      const take = (nodeId: string, answer: A | undefined) => {
        phase.add(answer);
        answered(nodeId, answer);
        if (phase.state !== 'open') {
          done();
        }
        this.end();
      };
      this.underWay += nodes.length;
      for (const nodeId of nodes) {
        one(nodeId).then(
          (answer) => take(nodeId, answer),
          (error: Error) => {
            this.context.logger.debug?.(`Node ${nodeId} gave no answer: ${error.message}`);
            take(nodeId, undefined);
          },
        );
      }
      if (phase.state !== 'open') {
        done();
      }
    });
  }

  private end(): void {
    this.underWay--;
    if (this.underWay === 0) {
      this.ended?.();
    }
  }

  private async at<K extends 'prepare' | 'accept'>(
    nodeId: string,
    kind: K,
    ask: PeerProtocol[K]['ask'],
    deadline: Deadline,
    here: () => Promise<PeerProtocol[K]['answer']>,
  ): Promise<PeerProtocol[K]['answer']> {
    const { view, peers, limits } = this.context;
    if (nodeId === view.selfId) {
      return here();
    }
    const timeoutMs = Math.max(1, Math.min(limits.peerTimeoutMs, deadline.leftMs));
    return peers.call(nodeId, kind, ask, { timeoutMs });
  }
}
