/** The core of a node: takes the operations of its callers and of its peers, and runs what keeps copies equal. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type EnvelopeGuard } from '../cluster/envelope-guard.js';
import { type Liveness } from '../cluster/liveness.js';
import { Acceptor } from '../consensus/acceptor.js';
import { Electorate } from '../consensus/electorate.js';
import { Inspection } from '../consensus/inspection.js';
import { Notices } from '../consensus/notices.js';
import { Proposer } from '../consensus/proposer.js';
import { Settler } from '../consensus/settler.js';
import { StrongReader } from '../consensus/strong-reader.js';
import { StrongRouter } from '../consensus/strong-router.js';
import { type NamespaceMode, type ReadLevel, type WriteLevel } from '../model/consistency.js';
import { assertKey, type RecordId } from '../model/key.js';
import {
  type PeerProtocol,
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
  type WriteOperation,
  type WriteResult,
} from '../model/peer-protocol.js';
import { isVisible, type KvRecord } from '../model/record.js';
import { type RequestId } from '../model/request-window.js';
import { type Version } from '../model/version.js';
import { type PeerService } from '../ports/controller.js';
import { type Operation } from '../ports/telemetry.js';
import { AntiEntropy } from '../repair/anti-entropy.js';
import { ExpirySweeper } from '../repair/expiry-sweeper.js';
import { HintedHandoff } from '../repair/hinted-handoff.js';
import { RateLimit } from '../repair/rate-limit.js';
import { ReadRepair } from '../repair/read-repair.js';
import { TombstoneCollection } from '../repair/tombstone-collection.js';
import { Admission } from './admission.js';
import { type CoreContext } from './core-context.js';
import { Deadline } from './deadline.js';
import { OwnWrites } from './own-writes.js';
import { Forwarding } from './forwarding.js';
import { assertOffered, unsupported } from './offered.js';
import { type DeskParts, PeerDesk } from './peer-desk.js';
import { Reader } from './reader.js';
import { Replica } from './replica.js';
import { RequestIds } from './request-ids.js';
import { WriteCoordinator } from './write-coordinator.js';
import { WriteRouter } from './write-router.js';

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ReadOptions extends CallOptions {
  readonly level: ReadLevel;
}

export interface RemoveOptions extends CallOptions {
  readonly level: WriteLevel;
  /** The version that the key must have, '' for no value; undefined where any will do. Strong namespaces only. */
  readonly expected?: Version;
  /** The same for every attempt at one write; made here when absent. */
  readonly requestId?: RequestId;
}

export interface WriteOptions extends RemoveOptions {
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
  private readonly electorate: Electorate;
  private readonly strongReader: StrongReader;
  private readonly strongRouter: StrongRouter;
  private readonly settler: Settler;
  private readonly forwarding: Forwarding;
  private readonly requestIds: RequestIds;
  private readonly admission: Admission;
  private readonly desk: PeerDesk;
  private readonly hints: HintedHandoff;
  private readonly antiEntropy: AntiEntropy;
  private readonly collection: TombstoneCollection;
  private readonly sweeper: ExpirySweeper;

  constructor(
    private readonly context: CoreContext,
    private readonly liveness: Liveness,
    guard: EnvelopeGuard,
  ) {
    const { limits, clock, random } = context;
    const rate = new RateLimit(limits.repairBytesPerSecond, clock);
    const ownWrites = new OwnWrites(limits.ownWritesMax);
    const acceptor = new Acceptor(context);
    const replica = new Replica(context, acceptor);
    this.requestIds = new RequestIds(clock, random);
    this.admission = new Admission(clock);
    this.forwarding = new Forwarding(context, replica, ownWrites);
    this.hints = new HintedHandoff(context, rate, replica);
    this.antiEntropy = new AntiEntropy(context, replica, rate);
    this.collection = new TombstoneCollection(context, rate);
    this.coordinator = new WriteCoordinator(context, replica, this.hints);
    this.router = new WriteRouter(context, this.coordinator, this.forwarding);
    this.electorate = new Electorate(context, acceptor, new Notices(context), this.hints, ownWrites);
    const proposer = new Proposer(context, this.electorate);
    const inspection = new Inspection(context, acceptor);
    this.strongRouter = new StrongRouter(context, proposer, this.forwarding);
    this.strongReader = new StrongReader(context, inspection, this.strongRouter, this.requestIds);
    this.reader = new Reader(context, new ReadRepair(context, replica), ownWrites, this.strongReader);
    this.settler = new Settler(context, acceptor, inspection, proposer, this.requestIds);
    this.sweeper = new ExpirySweeper(context, this.requestIds, {
      strong: (operation, deadline) => proposer.propose(operation, deadline),
      eventual: (operation, deadline) => this.coordinator.write(operation, deadline),
    });
    const { collection } = this;
    const forward: DeskParts['forward'] = (ask, sentAtMs) => this.coordinateForwarded(ask, sentAtMs);
    this.desk = new PeerDesk(context, guard, { replica, acceptor, collection, forward }, this);
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
    this.settler.start();
    this.collection.start();
    this.sweeper.start();
    await Promise.all([this.antiEntropy.catchUp(), this.takesForwarded()]);
    if (this.phase === 'running') {
      this.reader.setCaughtUp();
    }
    return this.ready;
  }

  /** Resolves when what peers forward is taken: twice `maxClockOffsetMs` after this was made, if there are peers. */
  takesForwarded(): Promise<void> {
    return this.forwarding.begun();
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
  get(namespace: string, key: string, options: ReadOptions): Promise<KvRecord | undefined> {
    const { level } = options;
    return this.run(
      'get',
      namespace,
      key,
      options,
      (id, deadline, mode) => {
        if (level === 'linearizable' && mode !== 'strong') {
          throw unsupported(namespace, 'linearizable reads');
        }
        // The copy of this node costs nothing that could pile up.
        return level === 'one'
          ? this.reader.read(id, level, deadline)
          : this.admission.pass(() => this.reader.read(id, level, deadline));
      },
      this.visible,
    );
  }

  /**
   * What `get` at level `one` would give, null for nothing, where this node can say so at once; else undefined. Takes
   * under a microsecond, which is what the metrics count it as: none.
   */
  peek(namespace: string, key: string): KvRecord | null | undefined {
    const found = this.phase === 'running' ? this.reader.peek(namespace, key) : undefined;
    if (found !== undefined) {
      this.context.telemetry.operation(namespace, 'get', 'ok', 0);
    }
    return found;
  }

  serveNow(request: PeerRequest): PeerReply | undefined {
    return this.phase === 'running' ? this.desk.serveNow(request) : undefined;
  }

  /** The record as committed: the value given, or what the merger made of it. */
  addOrUpdate(
    namespace: string,
    key: string,
    value: Uint8Array,
    options: WriteOptions,
  ): Promise<WriteResult> {
    return this.write('addOrUpdate', namespace, key, value, options);
  }

  /** The tombstone as committed, and whether a reader saw a value just before. */
  remove(namespace: string, key: string, options: RemoveOptions): Promise<WriteResult> {
    return this.write('remove', namespace, key, NO_BYTES, { ...options, ttlMs: 0 });
  }

  /** Gives a value another lifetime; no record where there is no value. */
  touch(namespace: string, key: string, options: WriteOptions): Promise<WriteResult> {
    return this.write('touch', namespace, key, NO_BYTES, options);
  }

  serve<K extends PeerRequestKind>(request: PeerRequest<K>): Promise<PeerReply<K>> {
    const refusal = this.refusal();
    if (refusal) {
      return Promise.reject(refusal);
    }
    this.underWay++;
    const reply = this.desk.serve(request);
    reply.then(this.leave, this.leave);
    return reply;
  }

  private write(
    kind: 'addOrUpdate' | 'remove' | 'touch',
    namespace: string,
    key: string,
    value: Uint8Array,
    options: WriteOptions,
  ): Promise<WriteResult> {
    const done = this.run(kind, namespace, key, options, (id, deadline, mode) => {
      const { level, ttlMs, expected, requestId = this.requestIds.next() } = options;
      const operation: WriteOperation = { kind, id, value, ttlMs, level, expected, requestId };
      assertOffered(operation, mode);
      const router = mode === 'strong' ? this.strongRouter : this.router;
      const written = this.admission.pass(() => router.write(operation, deadline));
      return deadline.race(written, () => {
        throw new DkvError(
          'DKV_INDETERMINATE',
          `The outcome of writing key ${JSON.stringify(key)} was not known after ${deadline.timeoutMs} ms` +
            `${deadline.signal?.aborted ? ' or when the caller aborted' : ''}; it may still take effect.`,
        );
      });
    });
    const mayFind = kind === 'touch' || options.expected !== undefined;
    return mayFind ? done.then((result) => this.shown(kind, result)) : done;
  }

  /** What was found in place of what was to be written, as a reader sees it. */
  private shown(kind: WriteOperation['kind'], result: WriteResult): WriteResult {
    const found = result.outcome === 'conflict' || kind === 'touch';
    return found && !isVisible(result.record, this.context.clock.now())
      ? { ...result, record: undefined }
      : result;
  }

  /** Nothing is posted between nodes yet. */
  receive(): void {}

  private coordinateForwarded(ask: PeerProtocol['forward']['ask'], sentAtMs: number): Promise<WriteResult> {
    const { operation, resolve } = ask;
    const { mode } = this.context.namespaces.get(operation.id.namespace);
    assertOffered(operation, mode);
    return this.forwarding.receive(ask, sentAtMs, (deadline) =>
      mode === 'strong'
        ? this.strongRouter.coordinate(operation, deadline, resolve)
        : this.coordinator.write(operation, deadline),
    );
  }

  private readonly visible = (record: KvRecord | undefined): KvRecord | undefined =>
    isVisible(record, this.context.clock.now()) ? record : undefined;

  /** What `work` gives, as `show` shows it. Not an async function: what that keeps while it waits is much garbage. */
  private run<T>(
    operation: Operation,
    namespace: string,
    key: string,
    options: CallOptions,
    work: (id: RecordId, deadline: Deadline, mode: NamespaceMode) => Promise<T>,
    show?: (result: T) => T,
  ): Promise<T> {
    const { view, clock, telemetry, namespaces } = this.context;
    try {
      assertKey(key);
      const { mode, copies } = namespaces.get(namespace);
      const startedMs = clock.monotonic();
      const deadline = new Deadline(clock, options.timeoutMs, options.signal);
      let isUnderWay = false;
      const end = (result: string) => {
        if (isUnderWay) {
          this.leave();
        }
        telemetry.operation(namespace, operation, result, (clock.monotonic() - startedMs) / 1000);
      };
      let working: Promise<T>;
      try {
        deadline.assertWanted();
        this.enter();
        isUnderWay = true;
        working = work({ partition: view.partitionOf(key, copies), namespace, key }, deadline, mode);
      } catch (error) {
        working = rejection(error as Error);
      }
      return working.then(
        (result) => {
          end('ok');
          return show ? show(result) : result;
        },
        (error: unknown) => {
          end(isDkvError(error) ? error.code : 'error');
          throw error;
        },
      );
    } catch (error) {
      return rejection(error as Error);
    }
  }

  private async wind(): Promise<void> {
    this.phase = 'closing';
    this.liveness.stop();
    this.hints.stop();
    this.antiEntropy.stop();
    this.settler.stop();
    this.collection.stop();
    this.sweeper.stop();
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
    await Promise.all([this.coordinator.idle(), this.electorate.idle()]);
  }

  /** Begins what `stop` waits for, unless the node is starting or closing. */
  private enter(): void {
    const refusal = this.refusal();
    if (refusal) {
      throw refusal;
    }
    this.underWay++;
  }

  private refusal(): DkvError | undefined {
    if (this.phase === 'running') {
      return undefined;
    }
    const what = this.phase === 'new' ? 'starting' : 'closing';
    return new DkvError('DKV_NOT_READY', `Node ${this.context.view.selfId} is ${what}; nothing was done.`);
  }

  private readonly leave = (): void => {
    this.underWay--;
    if (this.underWay === 0) {
      this.idle?.();
    }
  };
}

function rejection(error: Error): Promise<never> {
  return Promise.reject(error);
}
