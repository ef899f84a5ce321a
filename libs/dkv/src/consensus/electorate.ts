/** The nodes of a key as one: asks them all, this one included, and ends a phase as soon as its verdict is known. */
import { majorityOf } from '../model/consistency.js';
import { type RecordId } from '../model/key.js';
import { type Accepted } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { type SendOptions } from '../ports/remote-kv-repo.js';
import { type CoreContext } from '../cluster/core-context.js';
import { type Deadline } from '../cluster/deadline.js';
import { type OwnWrites } from '../eventual/own-writes.js';
import { type HintedHandoff } from '../eventual/repair/hinted-handoff.js';
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
  /** Those that accepted it, as far as is known: the others get a hint when it is committed. */
  readonly holders: string[];
  /** Nodes that were asked and have not answered. */
  open: number;
}

/** What a phase of accepting led to. */
export interface Verdict {
  readonly won: boolean;
  /** Lost: the highest ballot that stood in the way. */
  readonly seen: Ballot;
  readonly spread: Spread;
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
    const { view, peers } = this.context;
    const nodes = view.reachable(id.partition);
    const phase = new PreparePhase(majorityOf(view.copiesOf(id.partition)), nodes.length);
    const ask = { id, ballot };
    await this.ask(nodes, phase, deadline, (nodeId, options) =>
      nodeId === view.selfId ? this.acceptor.prepare(ask) : peers.call(nodeId, 'prepare', ask, options),
    );
    return phase.state === 'won'
      ? { latest: phase.latest, unanimous: phase.unanimous }
      : { lost: true, seen: phase.seen };
  }

  /** Whether a majority accepted. Nodes that have not answered by then are asked to the end all the same. */
  accept(id: RecordId, { ballot, record, next }: Proposal, deadline: Deadline): Promise<Verdict> {
    const { view, peers } = this.context;
    const { partition } = id;
    const nodes = view.reachable(partition);
    const phase = new AcceptPhase(majorityOf(view.copiesOf(partition)), nodes.length);
    const spread: Spread = { id, holders: [], open: nodes.length };
    // Until it is lost or announced: between an answer and what follows from it nothing may seem to be idle.
    this.underWay++;
    const asked = this.ask(
      nodes,
      phase,
      deadline,
      (nodeId, options) => {
        const ask = { partition, ballot, record, next, settled: this.notices.take(nodeId) };
        return nodeId === view.selfId
          ? this.acceptor.accept(ask)
          : peers.call(nodeId, 'accept', ask, options);
      },
      (nodeId, vote) => {
        if (vote?.accepted) {
          spread.holders.push(nodeId);
        }
        spread.open--;
        this.hintIfOver(spread);
      },
    );
    return asked.then(() => {
      const won = phase.state === 'won';
      if (!won) {
        this.end();
      }
      return { won, seen: phase.seen, spread };
    });
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
    try {
      await this.show(id, record);
    } catch (error) {
      this.notShown(id, record, error);
    }
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
    try {
      await this.acceptor.learn(id, record, ballot);
    } catch (error) {
      this.notShown(id, record, error);
    }
  }

  /** This node's own copy stays behind what it acknowledges now: its reads must look elsewhere. */
  private notShown(id: RecordId, { version }: KvRecord, error: unknown): void {
    this.ownWrites.note(id, version, this.context.view.selfId);
    const reason = (error as Error).message;
    this.context.logger.debug?.(`A commit of key ${JSON.stringify(id.key)} is not shown here: ${reason}`);
  }

  private hintIfOver(spread: Spread): void {
    if (spread.open === 0 && this.spreading.delete(spread)) {
      this.hintWhoLacks(spread);
    }
  }

  private hintWhoLacks({ id, holders }: Spread): void {
    const { view } = this.context;
    const { partition, namespace, key } = id;
    const nodes = view.listOf(partition);
    if (holders.length === nodes.length) {
      return;
    }
    for (const nodeId of nodes) {
      if (nodeId !== view.selfId && !holders.includes(nodeId)) {
        const hinting = this.hints.add({ partition, namespace, key, nodeId });
        this.hinting.add(hinting);
        void hinting.finally(() => this.hinting.delete(hinting));
      }
    }
  }

  /**
   * Resolves when the phase is won or lost or the time is over; answers that come later still count in it. `answered`
   * is told every answer, or that there is none.
   */
  private ask<A>(
    nodes: readonly string[],
    phase: Phase<A>,
    deadline: Deadline,
    one: (nodeId: string, options: SendOptions) => Promise<A>,
    answered: (nodeId: string, answer: A | undefined) => void = () => undefined,
  ): Promise<void> {
    const timeoutMs = Math.max(1, Math.min(this.context.limits.peerTimeoutMs, deadline.leftMs));
    const options = { timeoutMs };
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
        one(nodeId, options).then(
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
}
