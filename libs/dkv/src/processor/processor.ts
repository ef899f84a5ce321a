/** The core of a node: takes the operations of its callers and of its peers, and runs what keeps copies equal. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type EnvelopeGuard } from '../cluster/envelope-guard.js';
import { type Liveness } from '../cluster/liveness.js';
import { type ReadLevel, type WriteLevel } from '../model/consistency.js';
import { assertKey, type RecordId } from '../model/key.js';
import {
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
  type WriteResult,
} from '../model/peer-protocol.js';
import { isVisible, type KvRecord } from '../model/record.js';
import { type PeerService } from '../ports/controller.js';
import { type Operation } from '../ports/telemetry.js';
import { AntiEntropy } from '../repair/anti-entropy.js';
import { HintedHandoff } from '../repair/hinted-handoff.js';
import { RateLimit } from '../repair/rate-limit.js';
import { ReadRepair } from '../repair/read-repair.js';
import { type CoreContext } from './core-context.js';
import { Deadline } from './deadline.js';
import { OwnWrites } from './own-writes.js';
import { PeerDesk } from './peer-desk.js';
import { Reader } from './reader.js';
import { Replica } from './replica.js';
import { WriteCoordinator } from './write-coordinator.js';
import { WriteRouter } from './write-router.js';

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ReadOptions extends CallOptions {
  readonly level: ReadLevel;
}

export interface WriteOptions extends CallOptions {
  readonly level: WriteLevel;
  /** Lifetime in milliseconds; 0 is for ever. */
  readonly ttlMs: number;
}

type Phase = 'new' | 'running' | 'closing' | 'closed';

const NO_BYTES = new Uint8Array(0);
/** How long `stop` waits for operations under way. */
const DRAIN_MS = 10_000;

export class Processor implements PeerService {
  private phase: Phase = 'new';
  private underWay = 0;
  private idle: (() => void) | undefined;
  private stopping: Promise<void> | undefined;
  private readonly reader: Reader;
  private readonly router: WriteRouter;
  private readonly coordinator: WriteCoordinator;
  private readonly desk: PeerDesk;
  private readonly hints: HintedHandoff;
  private readonly antiEntropy: AntiEntropy;

  constructor(
    private readonly context: CoreContext,
    private readonly liveness: Liveness,
    guard: EnvelopeGuard,
  ) {
    const { limits, clock } = context;
    const rate = new RateLimit(limits.repairBytesPerSecond, clock);
    const ownWrites = new OwnWrites(limits.ownWritesMax);
    const replica = new Replica(context);
    this.hints = new HintedHandoff(context, rate, replica);
    this.antiEntropy = new AntiEntropy(context, replica, rate);
    this.reader = new Reader(context, new ReadRepair(context, replica), ownWrites);
    this.coordinator = new WriteCoordinator(context, replica, this.hints);
    this.router = new WriteRouter(context, this.coordinator, ownWrites, replica);
    this.desk = new PeerDesk(context, guard, replica, this.router, this);
  }

  /**
   * Serves from now on; resolves, with whether the node is in service, when it has caught up with every peer that is
   * not down.
   */
  async start(): Promise<boolean> {
    this.phase = 'running';
    await this.liveness.start();
    this.hints.start();
    this.antiEntropy.start();
    await this.antiEntropy.catchUp();
    if (this.phase === 'running') {
      this.reader.setCaughtUp();
    }
    return this.ready;
  }

  /** Takes nothing new, waits for what is under way, ends the background work. */
  stop(): Promise<void> {
    this.stopping ??= this.wind();
    return this.stopping;
  }

  /** Open, configured, writable, and its own copies caught up. Does not depend on other nodes being up. */
  get ready(): boolean {
    const { local, view } = this.context;
    return this.phase === 'running' && this.caughtUp && local.failure === undefined && !view.clockSuspect;
  }

  get caughtUp(): boolean {
    return this.reader.isCaughtUp;
  }

  /** The record a reader sees now, or undefined. */
  async get(namespace: string, key: string, options: ReadOptions): Promise<KvRecord | undefined> {
    const record = await this.run('get', namespace, key, options, (id, deadline) =>
      this.reader.read(id, options.level, deadline),
    );
    return isVisible(record, this.context.clock.now()) ? record : undefined;
  }

  /** The record as committed: the value given, or what the merger made of it. */
  async addOrUpdate(
    namespace: string,
    key: string,
    value: Uint8Array,
    options: WriteOptions,
  ): Promise<KvRecord> {
    const { record } = await this.write('addOrUpdate', namespace, key, value, options);
    return record;
  }

  /** The tombstone as committed, and whether a reader saw a value just before. */
  remove(namespace: string, key: string, options: Omit<WriteOptions, 'ttlMs'>): Promise<WriteResult> {
    return this.write('remove', namespace, key, NO_BYTES, { ...options, ttlMs: 0 });
  }

  serve<K extends PeerRequestKind>(request: PeerRequest<K>): Promise<PeerReply<K>> {
    return this.counted(() => this.desk.serve(request));
  }

  private write(
    kind: 'addOrUpdate' | 'remove',
    namespace: string,
    key: string,
    value: Uint8Array,
    { level, ttlMs, ...options }: WriteOptions,
  ): Promise<WriteResult> {
    return this.run(kind, namespace, key, options, (id, deadline) =>
      deadline.race(this.router.write({ kind, id, value, ttlMs, level }, deadline), () => {
        throw new DkvError(
          'DKV_INDETERMINATE',
          `The outcome of writing key ${JSON.stringify(key)} was not known after ${deadline.timeoutMs} ms` +
            `${deadline.signal?.aborted ? ' or when the caller aborted' : ''}; it may still take effect.`,
        );
      }),
    );
  }

  private async run<T>(
    operation: Operation,
    namespace: string,
    key: string,
    options: CallOptions,
    work: (id: RecordId, deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    assertKey(key);
    const { view, clock, telemetry } = this.context;
    const started = clock.monotonic();
    const deadline = new Deadline(clock, options.timeoutMs, options.signal);
    let result = 'ok';
    try {
      deadline.assertWanted();
      const id = { partition: view.ring.partitionOf(key), namespace, key };
      return await this.counted(() => work(id, deadline));
    } catch (error) {
      result = isDkvError(error) ? error.code : 'error';
      throw error;
    } finally {
      telemetry.operation(namespace, operation, result, (clock.monotonic() - started) / 1000);
    }
  }

  private async wind(): Promise<void> {
    this.phase = 'closing';
    this.liveness.stop();
    this.hints.stop();
    this.antiEntropy.stop();
    await new Promise<void>((resolve) => {
      const timer = this.context.clock.schedule(DRAIN_MS, resolve);
      void this.drained().then(() => {
        timer.cancel();
        resolve();
      });
    });
    this.phase = 'closed';
  }

  private async drained(): Promise<void> {
    if (this.underWay > 0) {
      await new Promise<void>((resolve) => (this.idle = resolve));
    }
    await this.coordinator.idle();
  }

  /** Runs `work` unless the node is starting or closing; `stop` waits for it. */
  private async counted<T>(work: () => Promise<T>): Promise<T> {
    if (this.phase !== 'running') {
      const what = this.phase === 'new' ? 'starting' : 'closing';
      throw new DkvError('DKV_NOT_READY', `Node ${this.context.view.selfId} is ${what}; nothing was done.`);
    }
    this.underWay++;
    try {
      return await work();
    } finally {
      this.underWay--;
      if (this.underWay === 0) {
        this.idle?.();
      }
    }
  }
}
