/** Ships one record to the other nodes of its partition and counts who holds it durably. */
import { isDkvError } from '../dkv.errors.js';
import { type WriteLevel } from '../model/consistency.js';
import { type RecordId } from '../model/key.js';
import { type KvRecord } from '../model/record.js';
import { stamperOf } from '../model/version.js';
import { type HintedHandoff } from './repair/hinted-handoff.js';
import { type CoreContext } from '../cluster/core-context.js';
import { type Deadline } from '../cluster/deadline.js';
import { Quorum } from './quorum.js';
import { type Replica } from './replica.js';

export type ShipmentOutcome =
  /** As many nodes as needed hold the record. */
  | { readonly kind: 'acknowledged' }
  /** Too few nodes took it in time, or can: they do not answer, or hold something newer. */
  | { readonly kind: 'incomplete'; readonly held: number; readonly cause: unknown };

const RETRY_PAUSE_MS = 50;
const RETRY_PAUSE_MS_MAX = 1_000;

/** Failures that may pass within the time of one write. */
const TRANSIENT = [
  'DKV_PEER_UNREACHABLE',
  'DKV_PEER_DISCONNECTED',
  'DKV_OVERLOADED',
  'DKV_NOT_READY',
  'DKV_CLOCK_SKEW',
] as const;

/**
 * One shipment: started when the local copy is durable, resolved as soon as the outcome is known. Nodes that did
 * not take the record by then are asked once to the end and get a hint; a hint never counts as a copy.
 */
export class Shipment {
  /** Who has the record durably. */
  private readonly holders: string[];
  /** Who was asked, and has not come to an end. */
  private readonly open = new Set<string>();
  private readonly ends = new Map<string, Promise<unknown>>();
  private settled = false;
  private resolve!: (outcome: ShipmentOutcome) => void;
  private cause: unknown;

  constructor(
    private readonly context: CoreContext,
    private readonly replica: Replica,
    private readonly hints: HintedHandoff,
    private readonly id: RecordId,
    private readonly record: KvRecord,
    private readonly level: WriteLevel,
    private readonly deadline: Deadline,
  ) {
    this.holders = [context.view.selfId];
  }

  /** Nodes that hold the record durably. */
  get copies(): number {
    return this.holders.length;
  }

  /** Neither promise rejects; `ended` resolves when nothing of the shipment is under way any more. */
  start(): { readonly outcome: Promise<ShipmentOutcome>; readonly ended: Promise<unknown> } {
    const outcome = new Promise<ShipmentOutcome>((resolve) => (this.resolve = resolve));
    this.shipToAll();
    this.judge();
    return { outcome, ended: this.lastEnd() };
  }

  /** Those that the partition is on its way to are sent it as well, whether they count or not. */
  private shipToAll(): boolean {
    const { view } = this.context;
    const further = view
      .nodesOf(this.id.partition)
      .filter((nodeId) => nodeId !== view.selfId && !this.ends.has(nodeId));
    further.forEach((nodeId) => this.open.add(nodeId));
    further.forEach((nodeId) =>
      this.ends.set(
        nodeId,
        this.ship(nodeId).catch(() => undefined),
      ),
    );
    return further.length > 0;
  }

  private async lastEnd(): Promise<void> {
    // One that ends may have found that the partition is on its way to more nodes.
    for (const end of this.ends.values()) {
      await end;
    }
  }

  private async ship(nodeId: string): Promise<void> {
    let taken = false;
    try {
      taken = await this.deliver(nodeId);
    } finally {
      this.open.delete(nodeId);
      this.judge();
    }
    if (!taken) {
      await this.hints.add({ ...this.id, nodeId });
    }
  }

  /** Whether the node took the record. Transient failures are tried again while the write is undecided. */
  private async deliver(nodeId: string): Promise<boolean> {
    const { view, random } = this.context;
    for (let pauseMs = RETRY_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, RETRY_PAUSE_MS_MAX)) {
      if (view.stateOf(nodeId) === 'down') {
        return false;
      }
      try {
        await this.askOnce(nodeId);
        return true;
      } catch (error) {
        this.cause = error;
        if (this.settled || this.deadline.over || !isDkvError(error, ...TRANSIENT)) {
          return false;
        }
      }
      await this.deadline.pause(pauseMs * (0.5 + random.next()));
      if (this.settled || this.deadline.over) {
        return false;
      }
    }
  }

  private async askOnce(nodeId: string): Promise<void> {
    const { view, peers, limits } = this.context;
    const ask = { partition: this.id.partition, record: this.record, epoch: view.epoch };
    const { newer } = await peers.call(nodeId, 'addOrUpdate', ask, { timeoutMs: limits.peerTimeoutMs });
    if (newer && !this.holdsOurs(newer)) {
      this.cause = new Error(`node ${nodeId} holds version ${newer.version}, written by way of another node`);
    } else {
      this.holders.push(nodeId);
      this.judge();
    }
    if (newer && view.nodesOf(this.id.partition).includes(view.selfId)) {
      await this.replica.join(this.id.partition, newer);
    }
  }

  /**
   * Whether what the replica holds accounts for this write: a later write of this very coordinator, which was stamped
   * on top of it and overtook it on the way, or a merger's join of it with what was there.
   */
  private holdsOurs(newer: KvRecord): boolean {
    const overtaken = stamperOf(newer.version) === stamperOf(this.record.version);
    const { merger } = this.context.namespaces.get(this.id.namespace);
    const joined = !merger.newestWins && !newer.tombstone && !this.record.tombstone;
    return overtaken || joined;
  }

  /** By the configuration of now: every node that is asked refuses to be counted by one that is over. */
  private judge(): void {
    const quorum = new Quorum(this.context.view, this.id.partition, this.level);
    if (this.settled || quorum.isMetBy(this.holders)) {
      this.settle({ kind: 'acknowledged' });
    } else if (!quorum.isMetBy([...this.holders, ...this.open]) && !this.shipToAll()) {
      this.settle({ kind: 'incomplete', held: this.copies, cause: this.cause });
    }
  }

  private settle(outcome: ShipmentOutcome): void {
    if (!this.settled) {
      this.settled = true;
      this.resolve(outcome);
    }
  }
}
