/** Eventual namespaces on this node, as the Processor sees them: reads, writes, what peers ask, and the repair of copies. */
import { type CoreContext } from '../cluster/core-context.js';
import { Deadline } from '../cluster/deadline.js';
import { type EnvelopeGuard } from '../cluster/envelope-guard.js';
import { type EventualCopies } from '../ports/eventual-copies.js';
import { DkvError } from '../dkv.errors.js';
import { type ReadLevel, type WriteLevel } from '../model/consistency.js';
import { type RecordId } from '../model/key.js';
import {
  type PeerProtocol,
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
  type WriteOperation,
  type WriteResult,
} from '../model/peer-protocol.js';
import { isVisible, type KvRecord } from '../model/record.js';
import { Forwarding } from './forwarding.js';
import { type AdministrationHandlers, InboundHandler } from './inbound-handler.js';
import { OwnWrites } from './own-writes.js';
import { Reader } from './reader.js';
import { AntiEntropy } from './repair/anti-entropy.js';
import { ExpirySweeper } from './repair/expiry-sweeper.js';
import { LeftOver } from './repair/left-over.js';
import { MovingCopies } from './repair/moving-copies.js';
import { HintedHandoff } from './repair/hinted-handoff.js';
import { ReadRepair } from './repair/read-repair.js';
import { TombstoneCollection } from './repair/tombstone-collection.js';
import { Replica } from './replica.js';
import { RequestIds } from './request-ids.js';
import { WriteCoordinator } from './write-coordinator.js';
import { WriteRouter } from './write-router.js';

export interface EventualCallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface EventualReadOptions extends EventualCallOptions {
  readonly level: ReadLevel;
}

export interface EventualWriteOptions extends EventualCallOptions {
  readonly level: WriteLevel;
  /** Lifetime in milliseconds; 0 is for ever. */
  readonly ttlMs: number;
}

/** A hint is replayed within a second of its node's return; this long covers a node that is busy then. */
const SPREAD_MS_MIN = 60_000;
/** Rounds of anti-entropy with one random peer each, after which a pair has met in all likelihood. */
const SPREAD_ROUNDS = 6;

/** Partitions that are taken over from nodes which have them no more, at a time. */
const TAKING_OVER_MAX = 8;

export class EventualMode {
  private readonly reader: Reader;
  private readonly router: WriteRouter;
  private readonly coordinator: WriteCoordinator;
  private readonly forwarding: Forwarding;
  private readonly requestIds: RequestIds;
  private readonly inbound: InboundHandler;
  private readonly hints: HintedHandoff;
  private readonly antiEntropy: AntiEntropy;
  private readonly collection: TombstoneCollection;
  private readonly sweeper: ExpirySweeper;
  private readonly moving: MovingCopies;
  private readonly leftOver: LeftOver;
  private takingOver = 0;
  private stopped = false;

  constructor(
    private readonly context: CoreContext,
    guard: EnvelopeGuard,
    administration: AdministrationHandlers,
  ) {
    const { limits, clock, random, transferRate: rate } = context;
    const spreadMs = Math.max(SPREAD_MS_MIN, SPREAD_ROUNDS * limits.antiEntropyIntervalMs);
    const ownWrites = new OwnWrites(clock, { entriesMax: limits.ownWritesMax, spreadMs });
    const replica = new Replica(context);
    this.requestIds = new RequestIds(clock, random);
    this.forwarding = new Forwarding(context, replica, ownWrites);
    this.hints = new HintedHandoff(context, rate, replica);
    this.antiEntropy = new AntiEntropy(context, replica, rate);
    this.collection = new TombstoneCollection(context, rate);
    this.coordinator = new WriteCoordinator(context, replica, this.hints);
    this.router = new WriteRouter(context, this.coordinator, this.forwarding, this.requestIds);
    this.moving = new MovingCopies(context, this.antiEntropy);
    this.leftOver = new LeftOver(context);
    this.reader = new Reader(context, new ReadRepair(context, replica), ownWrites, (partition) =>
      this.leftOver.has(partition),
    );
    this.sweeper = new ExpirySweeper(context, this.requestIds, (operation, deadline) =>
      this.coordinator.write(operation, deadline),
    );
    this.inbound = new InboundHandler(context, guard, {
      administration,
      replica,
      collection: this.collection,
      handOver: (nodeId, ask) => this.takeOver(nodeId, ask),
      forward: (ask, sentAtMs) => this.coordinateForwarded(ask, sentAtMs),
    });
  }

  /** Begins the background work; resolves when the copies of this node have caught up with every peer that is not down. */
  async start(): Promise<void> {
    if (this.isUsed) {
      this.hints.start();
      this.antiEntropy.start();
      this.collection.start();
      this.sweeper.start();
      this.moving.start();
      this.leftOver.start();
      await Promise.all([this.antiEntropy.catchUp(), this.takesForwarded()]);
    }
    if (!this.stopped) {
      this.reader.setCaughtUp();
    }
  }

  /** Ends the background work; resolves when, after `drained`, every write under way to other nodes has ended. */
  async stop(drained: Promise<void>): Promise<void> {
    this.stopped = true;
    this.hints.stop();
    this.antiEntropy.stop();
    this.collection.stop();
    this.sweeper.stop();
    this.moving.stop();
    this.leftOver.stop();
    await drained;
    await this.coordinator.idle();
  }

  /**
   * Resolves when what peers forward is taken: twice `maxClockOffsetMs` after this was made, if there are peers and
   * eventual namespaces. Requests of strong ones carry the process run that they belong to: no clock tells of them.
   */
  takesForwarded(): Promise<void> {
    return this.isUsed ? this.forwarding.begun() : Promise.resolve();
  }

  /** Whether this node was told of an eventual namespace: without one, there is nothing to repair or to wait for. */
  private get isUsed(): boolean {
    return this.context.namespaces.uses('eventual');
  }

  /** For who plans where partitions are. */
  get copies(): EventualCopies {
    const { moving, leftOver } = this;
    return {
      get copied() {
        return moving.copied;
      },
      get hasLeftOver() {
        return !leftOver.isNone;
      },
    };
  }

  get caughtUp(): boolean {
    return this.reader.isCaughtUp;
  }

  /** Why this node does not serve its copies as it should, for people; undefined when it does. */
  get unreadyReason(): string | undefined {
    const { local, view } = this.context;
    if (local.failure) {
      return `read-only after a storage error: ${local.failure.message}`;
    }
    if (this.isUsed && view.clockSuspect) {
      return 'most peers refuse the clock of this node';
    }
    return this.caughtUp ? undefined : 'catching up';
  }

  /** The record that a reader sees, or undefined. @throws DkvError as Reader.read */
  read(
    namespace: string,
    key: string,
    { level, timeoutMs, signal }: EventualReadOptions,
  ): Promise<KvRecord | undefined> {
    const deadline = new Deadline(this.context.clock, timeoutMs, signal);
    return this.reader.read(this.idOf(namespace, key), level, deadline).then(this.visible);
  }

  /** What `read` at level `one` would give, null for nothing, where this node can say so without waiting. */
  peek(namespace: string, key: string): KvRecord | null | undefined {
    return this.reader.peek(namespace, key);
  }

  /**
   * Resolves with the record as committed: the value given, or what the merger made of it, or the tombstone.
   * @throws DkvError as WriteCoordinator.write; `DKV_INDETERMINATE` also when the time is over.
   */
  write(
    kind: WriteOperation['kind'],
    namespace: string,
    key: string,
    value: Uint8Array,
    { level, ttlMs, timeoutMs, signal }: EventualWriteOptions,
  ): Promise<WriteResult> {
    const deadline = new Deadline(this.context.clock, timeoutMs, signal);
    const id = this.idOf(namespace, key);
    const operation: WriteOperation = { kind, id, value, ttlMs, level, requestId: this.requestIds.next() };
    return deadline.race(this.router.write(operation, deadline), () => {
      throw new DkvError(
        'DKV_INDETERMINATE',
        `The outcome of writing key ${JSON.stringify(key)} was not known after ${timeoutMs} ms` +
          `${signal?.aborted ? ' or when the caller aborted' : ''}; it may still take effect. ` +
          "A later read with consistency 'quorum' tells.",
      );
    });
  }

  /** The answer to a peer. @throws DkvError as InboundHandler.serve */
  serve<K extends PeerRequestKind>(request: PeerRequest<K>): Promise<PeerReply<K>> {
    return this.inbound.serve(request);
  }

  /** What `serve` would give, where that can be said without waiting; else undefined. */
  serveNow(request: PeerRequest): PeerReply | undefined {
    return this.inbound.serveNow(request);
  }

  /** Fetches what another node has of a partition that it is not on any more. */
  private async takeOver(
    nodeId: string,
    { partition, epoch }: PeerProtocol['handOver']['ask'],
  ): Promise<boolean> {
    const { view } = this.context;
    if (view.isBehind(epoch) || !view.holds(partition)) {
      throw new DkvError(
        'DKV_NOT_READY',
        `Node ${view.selfId} goes by epoch ${view.epoch} of the configuration, by which it takes nothing over. Try again.`,
      );
    }
    if (this.takingOver >= TAKING_OVER_MAX) {
      throw new DkvError(
        'DKV_OVERLOADED',
        `Node ${view.selfId} takes over enough partitions already. Try again.`,
      );
    }
    this.takingOver++;
    try {
      return await this.antiEntropy.compare(nodeId, partition);
    } finally {
      this.takingOver--;
    }
  }

  private coordinateForwarded(ask: PeerProtocol['forward']['ask'], sentAtMs: number): Promise<WriteResult> {
    const { view, namespaces } = this.context;
    const { namespace, partition } = ask.operation.id;
    namespaces.getEventual(namespace);
    return this.forwarding.receive(ask, sentAtMs, async (deadline) => {
      if (ask.epoch === view.epoch) {
        view.assertHolds(partition);
      }
      return this.coordinator.write(ask.operation, deadline);
    });
  }

  private idOf(namespace: string, key: string): RecordId {
    const { view, namespaces } = this.context;
    return { partition: view.partitionOf(key, namespaces.get(namespace).placement), namespace, key };
  }

  private readonly visible = (record: KvRecord | undefined): KvRecord | undefined =>
    isVisible(record, this.context.clock.now()) ? record : undefined;
}
