/** The nodes of a key as one: asks them all, this one included, and ends a phase as soon as its verdict is known. */
import { majorityOf } from '../model/consistency.js';
import { type RecordId } from '../model/key.js';
import { type Accepted, type PeerProtocol } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { NO_VERSION } from '../model/version.js';
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

export class Electorate {
  /** Nodes that have not answered the accept of a record yet, or failed to: they get a hint when it is committed. */
  private readonly lacking = new WeakMap<KvRecord, Set<string>>();
  private readonly trailing = new Set<Promise<unknown>>();
  private stop!: () => void;
  /** Late answers are not waited for any longer: who lacks a record gets its hint now. */
  private readonly stopping = new Promise<void>((resolve) => (this.stop = resolve));

  constructor(
    private readonly context: CoreContext,
    private readonly acceptor: Acceptor,
    private readonly notices: Notices,
    private readonly hints: HintedHandoff,
    private readonly ownWrites: OwnWrites,
  ) {}

  /** Nothing new comes: resolves when every request under way has ended, and every hint is kept. */
  async idle(): Promise<void> {
    this.stop();
    while (this.trailing.size > 0) {
      await Promise.allSettled(this.trailing);
    }
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
  ): Promise<{ readonly won: boolean; readonly seen: Ballot }> {
    const { nodes, majority } = this.nodesOf(id);
    const phase = new AcceptPhase(majority, nodes.length);
    const lacking = new Set(this.context.view.listOf(id.partition));
    this.lacking.set(record, lacking);
    await this.ask(nodes, phase, deadline, async (nodeId) => {
      const ask = { partition: id.partition, ballot, record, next, settled: this.notices.take(nodeId) };
      const vote = await this.at(nodeId, 'accept', ask, deadline, () => this.acceptor.accept(ask));
      if (vote.accepted) {
        lacking.delete(nodeId);
      }
      return vote;
    });
    return { won: phase.state === 'won', seen: phase.seen };
  }

  /**
   * The record is committed: this node shows it from now on, the others are told, who missed it gets a hint. Never
   * rejects: what fails here changes nothing about that.
   */
  async announce(id: RecordId, record: KvRecord): Promise<void> {
    const { view } = this.context;
    const notice = { partition: id.partition, namespace: id.namespace, key: id.key, version: record.version };
    for (const nodeId of view.listOf(id.partition)) {
      if (nodeId !== view.selfId) {
        this.notices.add(nodeId, notice);
      }
    }
    const lacking = this.lacking.get(record);
    await this.shown(id, record, this.show(id, record, lacking?.has(view.selfId) ?? false));
    this.hintWhoLacks(id, lacking);
  }

  private async show(id: RecordId, record: KvRecord, lacks: boolean): Promise<void> {
    const { local } = this.context;
    if (!lacks) {
      await local.settle(id, record.version);
      if (((await local.getNoValue(id))?.version ?? NO_VERSION) >= record.version) {
        return;
      }
      // Another proposer has built upon it here already, and may be gone: it is not what was accepted last.
    }
    await this.acceptor.learn(id, record);
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

  /** Hints when the last node has answered or not. */
  private hintWhoLacks(id: RecordId, lacking: ReadonlySet<string> = new Set()): void {
    if (lacking.size === 0) {
      return;
    }
    const { clock, limits, view } = this.context;
    const waiting = new Promise<void>((resolve) => clock.schedule(limits.peerTimeoutMs, resolve));
    const waited = Promise.race([waiting, this.stopping]).then(() =>
      Promise.all(
        [...lacking]
          .filter((nodeId) => nodeId !== view.selfId)
          .map((nodeId) => this.hints.add({ ...id, nodeId })),
      ),
    );
    this.trail(waited);
  }

  /** All of the key's nodes but those that are down, and how many of all must agree. */
  private nodesOf({ partition }: RecordId): { nodes: readonly string[]; majority: number } {
    const { view } = this.context;
    return { nodes: view.reachable(partition), majority: majorityOf(view.copiesOf(partition)) };
  }

  /** Resolves when the phase is won or lost or the time is over; answers that come later still count in it. */
  private ask<A>(
    nodes: readonly string[],
    phase: Phase<A>,
    deadline: Deadline,
    one: (nodeId: string) => Promise<A>,
  ): Promise<void> {
    const verdict = new Promise<void>((resolve) => {
      const judge = () => phase.state !== 'open' && resolve();
      for (const nodeId of nodes) {
        const asked = one(nodeId).then(
          (answer) => phase.add(answer),
          (error: Error) => {
            this.context.logger.debug?.(`Node ${nodeId} gave no answer: ${error.message}`);
            phase.add(undefined);
          },
        );
        this.trail(asked.then(judge));
      }
      judge();
    });
    return deadline.race(verdict, () => undefined);
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

  private trail(work: Promise<unknown>): void {
    const trailing = work.finally(() => this.trailing.delete(trailing)).catch(() => undefined);
    this.trailing.add(trailing);
  }
}
