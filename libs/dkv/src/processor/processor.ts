/** The core of a node: takes the operations of its callers and of its peers, and hands each to the mode it belongs to. */
import { type CoreContext } from '../cluster/core-context.js';
import { assertWanted } from '../cluster/deadline.js';
import { type EnvelopeGuard } from '../cluster/envelope-guard.js';
import { DkvError, isDkvError } from '../dkv.errors.js';
import { EventualMode } from '../eventual/eventual-mode.js';
import { majorityOf, type NamespaceMode } from '../model/consistency.js';
import { assertKey } from '../model/key.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../model/peer-protocol.js';
import { type ShownRecord } from '../model/shown-record.js';
import { type PeerService } from '../ports/controller.js';
import { type Operation } from '../ports/telemetry.js';
import { Administration } from './administration.js';
import { administrationAnswers } from './administration-answers.js';
import { Admission } from './admission.js';
import { onceAgreedOn } from './awaited-namespace.js';
import { MembershipAdministration } from './membership-administration.js';
import {
  type CallOptions,
  type ReadOptions,
  type RemoveOptions,
  type WriteOptions,
  type Written,
} from './call-options.js';
import { type StrongWrite } from '../model/strong-operations.js';
import { type QuorumStatus, type StrongFigures, type StrongMode } from '../ports/strong-mode.js';
import { assertReadSupported, assertWriteSupported } from './supported-operations.js';
import { unplaced, unplacedReason } from './unplaced.js';

type Phase = 'new' | 'running' | 'closing' | 'closed';

const NO_BYTES = new Uint8Array(0);
/** How long `stop` waits for operations under way. */
const DRAIN_MS = 10_000;

export class Processor implements PeerService {
  private phase: Phase = 'new';
  private underWay = 0;
  private idle: (() => void) | undefined;
  private stopping: Promise<void> | undefined;
  private readonly admission: Admission;
  private readonly eventual: EventualMode;
  /** For an operator. */
  readonly administration: Administration;
  readonly membership: MembershipAdministration;

  constructor(
    private readonly context: CoreContext,
    guard: EnvelopeGuard,
    private readonly strong: StrongMode,
  ) {
    this.admission = new Admission(context.clock.monotonic());
    const answers = administrationAnswers(context, strong.groups);
    this.administration = new Administration(context, strong.groups, answers);
    this.membership = new MembershipAdministration(context, strong.membership);
    this.eventual = new EventualMode(context, guard, answers);
  }

  /**
   * Serves from now on; resolves, with whether the node is in service, when it has caught up with every peer that is
   * not down.
   */
  async start(): Promise<boolean> {
    this.phase = 'running';
    this.strong.start(this.eventual.copies);
    await this.eventual.start();
    return this.ready;
  }

  /**
   * Resolves when what peers forward is taken: twice `maxClockOffsetMs` after this was made, if there are peers and
   * eventual namespaces.
   */
  takesForwarded(): Promise<void> {
    return this.eventual.takesForwarded();
  }

  /** Takes nothing new, waits for what is under way, ends the background work. */
  stop(): Promise<void> {
    this.stopping ??= this.wind();
    return this.stopping;
  }

  /** Open, configured, writable, its own copies caught up, its groups served. */
  get ready(): boolean {
    return this.phase === 'running' && this.unreadyReason === undefined;
  }

  /** Why the node is not in service, for people; undefined when it is, or is closing. */
  get unreadyReason(): string | undefined {
    const { eventual, strong, context } = this;
    return (
      unplacedReason(context, strong) ??
      eventual.unreadyReason ??
      (context.namespaces.uses('strong') ? strong.unreadyReason : undefined) ??
      context.namespaces.unreadyReason ??
      this.unseenReason
    );
  }

  /** How many nodes were seen since this one was started, itself included. */
  get nodesSeen(): number {
    return this.context.transitions.seen.length + 1;
  }

  private get unseenReason(): string | undefined {
    const { limits, view, transitions } = this.context;
    const { members } = view;
    if (!limits.readyAtQuorum || this.nodesSeen >= majorityOf(members.length)) {
      return undefined;
    }
    const { seen } = transitions;
    const missing = view.peers.map(({ nodeId }) => nodeId).filter((nodeId) => !seen.includes(nodeId));
    return `${this.nodesSeen} of ${members.length} nodes were seen since it was started, not ${missing.join(', ')} (readyAtQuorum)`;
  }

  /** What is amiss though this node does its part, for people: other nodes are down, writes are refused. */
  get degradedReason(): string | undefined {
    const { view } = this.context;
    const down = view.members.filter(({ state }) => state === 'down').map(({ node }) => node.nodeId);
    return this.strong.degradedReason ?? (down.length > 0 ? `down: ${down.join(', ')}` : undefined);
  }

  /** Of strong namespaces: whose votes are missing, and what is refused for it. */
  get quorums(): QuorumStatus {
    return this.strong.quorums;
  }

  get groupsLed(): number {
    return this.strong.groupsLed;
  }

  get strongFigures(): StrongFigures {
    return this.strong.figures;
  }

  get caughtUp(): boolean {
    return this.eventual.caughtUp;
  }

  /** The record a reader sees now, or undefined. */
  get(namespace: string, key: string, options: ReadOptions): Promise<ShownRecord | undefined> {
    const { level } = options;
    // The copy of this node costs nothing that could pile up.
    return this.run('get', namespace, key, options, level !== 'one', bytesOf, (mode) => {
      assertReadSupported(namespace, mode, level);
      return mode === 'strong'
        ? this.strong.read(namespace, key, options)
        : this.eventual.read(namespace, key, options);
    });
  }

  /**
   * What `get` at level `one` would give, null for nothing, where this node can say so without waiting; else undefined.
   * Takes under a microsecond, which is what the metrics count it as: none.
   */
  peek(namespace: string, key: string): ShownRecord | null | undefined {
    // What is no key is for the call that waits to refuse.
    if (this.phase !== 'running' || typeof key !== 'string') {
      return undefined;
    }
    const mode = this.context.namespaces.find(namespace)?.mode;
    const found = mode === 'strong' ? this.strong.peek(namespace, key) : this.eventual.peek(namespace, key);
    if (found !== undefined) {
      this.context.telemetry.operation(namespace, 'get', 'ok', 0, found ? bytesOf(found) : 0);
    }
    return found;
  }

  /** The record as committed: the value given, or what the merger made of it. */
  addOrUpdate(namespace: string, key: string, value: Uint8Array, options: WriteOptions): Promise<Written> {
    return this.run('addOrUpdate', namespace, key, options, true, bytesOfWritten, (mode) => {
      assertWriteSupported(namespace, mode, 'put', options);
      return mode === 'strong'
        ? this.strong.write(strongWrite('put', namespace, key, value, options))
        : this.eventual.write('addOrUpdate', namespace, key, value, options).then(done);
    });
  }

  /** Whether a reader saw a value just before. */
  remove(namespace: string, key: string, options: RemoveOptions): Promise<Written> {
    const forEver = { ...options, ttlMs: 0 };
    return this.run('remove', namespace, key, options, true, bytesOfWritten, (mode) => {
      assertWriteSupported(namespace, mode, 'remove', options);
      return mode === 'strong'
        ? this.strong.write(strongWrite('remove', namespace, key, NO_BYTES, forEver))
        : this.eventual.write('remove', namespace, key, NO_BYTES, forEver).then(done);
    });
  }

  /** Gives a value another lifetime; no record where there is no value. Strong namespaces only. */
  touch(namespace: string, key: string, options: WriteOptions): Promise<Written> {
    return this.run('touch', namespace, key, options, true, bytesOfWritten, (mode) => {
      assertWriteSupported(namespace, mode, 'touch', options);
      return this.strong.write(strongWrite('touch', namespace, key, NO_BYTES, options));
    });
  }

  /** Counts the value on by a safe integer, a key without a value from 0. Strong namespaces only. */
  increment(namespace: string, key: string, by: number, options: WriteOptions): Promise<Written> {
    return this.run('increment', namespace, key, options, true, bytesOfWritten, (mode) => {
      assertWriteSupported(namespace, mode, 'increment', options);
      return this.strong.write({ ...strongWrite('increment', namespace, key, NO_BYTES, options), by });
    });
  }

  serve<K extends PeerRequestKind>(request: PeerRequest<K>): Promise<PeerReply<K>> {
    const refusal = this.refusal();
    if (refusal) {
      return rejection(refusal);
    }
    this.underWay++;
    const reply = this.eventual.serve(request);
    reply.then(this.ended, this.ended);
    return reply;
  }

  serveNow(request: PeerRequest): PeerReply | undefined {
    return this.phase === 'running' ? this.eventual.serveNow(request) : undefined;
  }

  /** Also while the node is closing: what is under way, and handing leadership away, need the answers of others. */
  receive(from: string, frame: Uint8Array): void {
    if (this.phase === 'running' || this.phase === 'closing') {
      this.strong.receive(from, frame);
    }
  }

  /** The live connection with a node has ended. */
  disconnected(nodeId: string): void {
    if (this.phase === 'running' || this.phase === 'closing') {
      this.strong.disconnected(nodeId);
    }
  }

  /** What `work` gives. Not an async function: what that keeps while it waits is much garbage. */
  private run<T>(
    operation: Operation,
    namespace: string,
    key: string,
    call: CallOptions,
    /** Whether it is turned away where too many are under way. */
    mayPileUp: boolean,
    valueBytes: (result: T) => number,
    work: (mode: NamespaceMode) => Promise<T>,
  ): Promise<T> {
    try {
      assertKey(key);
      const { declared, isOfUse } = this.context.namespaces.declaredAs(namespace);
      const { mode } = declared;
      const isBounded = mayPileUp || !isOfUse;
      const startedMs = this.context.clock.monotonic();
      try {
        assertWanted(call.signal);
        this.enter(isBounded, startedMs, mode);
      } catch (error) {
        this.count(operation, namespace, 0, error, 0);
        throw error;
      }
      const begun = isOfUse
        ? startedBy(work, mode)
        : onceAgreedOn(namespace, this.context, this.strong.membership, call).then(() => work(mode));
      return begun.then(
        (result) => {
          const nowMs = this.context.clock.monotonic();
          this.leave(isBounded, true, nowMs);
          this.count(operation, namespace, nowMs - startedMs, undefined, valueBytes(result));
          return result;
        },
        (error: unknown) => {
          const nowMs = this.context.clock.monotonic();
          this.leave(isBounded, false, nowMs);
          this.count(operation, namespace, nowMs - startedMs, error, 0);
          throw error;
        },
      );
    } catch (error) {
      return rejection(error as Error);
    }
  }

  private count(
    operation: Operation,
    namespace: string,
    tookMs: number,
    error: unknown,
    valueBytes: number,
  ): void {
    const result = error === undefined ? 'ok' : isDkvError(error) ? error.code : 'error';
    this.context.telemetry.operation(namespace, operation, result, tookMs / 1000, valueBytes);
  }

  private async wind(): Promise<void> {
    this.phase = 'closing';
    const ended = Promise.allSettled([this.eventual.stop(this.drained()), this.strong.stop()]);
    await new Promise<void>((resolve) => {
      const timer = this.context.clock.schedule(DRAIN_MS, resolve);
      void ended.then(() => {
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
  }

  /** Begins what `stop` waits for, unless the node is starting or closing. */
  private enter(isBounded: boolean, nowMs: number, mode: NamespaceMode): void {
    const refusal = this.refusal() ?? (mode === 'eventual' ? unplaced(this.context, this.strong) : undefined);
    if (refusal) {
      throw refusal;
    }
    if (isBounded) {
      this.admission.enter(nowMs);
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

  private leave(isBounded: boolean, isCompleted: boolean, nowMs: number): void {
    if (isBounded) {
      this.admission.leave(isCompleted, nowMs);
    }
    this.ended();
  }

  private readonly ended = (): void => {
    this.underWay--;
    if (this.underWay === 0) {
      this.idle?.();
    }
  };
}

function strongWrite(
  kind: StrongWrite['kind'],
  namespace: string,
  key: string,
  value: Uint8Array,
  { ttlMs, expected, idempotencyKey, timeoutMs, signal }: WriteOptions,
): StrongWrite {
  return { kind, namespace, key, value, ttlMs, expected, idempotencyKey, timeoutMs, signal };
}

function bytesOf(record: ShownRecord | undefined): number {
  return record?.value.length ?? 0;
}

function bytesOfWritten({ record }: Written): number {
  return bytesOf(record);
}

function done({ record, existed }: Pick<Written, 'record' | 'existed'>): Written {
  return { outcome: 'done', record, existed, repeated: false };
}

function startedBy<T>(work: (mode: NamespaceMode) => Promise<T>, mode: NamespaceMode): Promise<T> {
  try {
    return work(mode);
  } catch (error) {
    return rejection(error as Error);
  }
}

/** For functions that are not async: they reject, they do not throw. */
export function rejection(error: Error): Promise<never> {
  return Promise.reject(error);
}
