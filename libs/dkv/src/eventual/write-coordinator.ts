/** Coordinates a write of an eventual namespace: stamps it once, merges once, ships the result, counts copies. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { fullDiskOf } from '../model/full-disk.js';
import { type WriteOperation, type WriteResult } from '../model/peer-protocol.js';
import { isVisible, type KvRecord, type RecordHeader, stampRecord, stampTombstone } from '../model/record.js';
import { type HintedHandoff } from './repair/hinted-handoff.js';
import { ByteBudget } from '../model/byte-budget.js';
import { type CoreContext } from '../cluster/core-context.js';
import { type Deadline } from '../cluster/deadline.js';
import { assertTakesPart } from './asked-in-time.js';
import { Quorum, reachableQuorum } from './quorum.js';
import { type Replica } from './replica.js';
import { Shipment, type ShipmentOutcome } from './shipment.js';

/** What a record costs beside its value while it is under way. */
const RECORD_OVERHEAD_BYTES = 512;
const TIME_IS_OVER = new Error('the time is over');

export class WriteCoordinator {
  private readonly underWay: ByteBudget;
  /** Shipments to nodes that had not answered when the write was acknowledged. */
  private readonly trailing = new Set<Promise<unknown>>();

  constructor(
    private readonly context: CoreContext,
    private readonly replica: Replica,
    private readonly hints: HintedHandoff,
  ) {
    this.underWay = new ByteBudget(context.limits.replicationBytesMax, 'Writes on their way to replicas');
  }

  get bytesUnderWay(): number {
    return this.underWay.usedBytes;
  }

  /** Resolves when every shipment under way has ended: delivered, or its hint is stored. */
  async idle(): Promise<void> {
    await Promise.all(this.trailing);
  }

  /**
   * Resolves when as many nodes as `operation.level` asks for hold the write durably.
   * @throws DkvError `DKV_NOT_READY` (the partition is none of this node's), `DKV_QUORUM_NOT_REACHED`, `DKV_READ_ONLY`, `DKV_OVERLOADED`: refused, nothing was written;
   *   `DKV_INDETERMINATE`: some nodes may hold the write, and then all will.
   */
  async write(operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    const { view, local } = this.context;
    const { partition } = operation.id;
    assertTakesPart(this.context, partition);
    reachableQuorum(this.context, operation.kind, operation.id, operation.level);
    if (view.clockSuspect) {
      throw new DkvError(
        'DKV_CLOCK_SKEW',
        `Node ${view.selfId} stamps no writes: most of its peers refuse its clock. Synchronise the clocks.`,
      );
    }
    if (local.failure) {
      throw new DkvError('DKV_READ_ONLY', `Node ${view.selfId} takes no writes: ${local.failure.message}`, {
        cause: local.failure,
      });
    }
    if (local.isDiskFull && operation.kind !== 'remove') {
      throw new DkvError('DKV_READ_ONLY', fullDiskOf(view.selfId));
    }
    const bytes = operation.value.length + RECORD_OVERHEAD_BYTES;
    this.underWay.take(bytes);
    let ended: Promise<unknown> = Promise.resolve();
    try {
      const stored = await this.store(operation);
      if (!stored.record) {
        return stored;
      }
      const { context, replica, hints } = this;
      const shipment = new Shipment(
        context,
        replica,
        hints,
        operation.id,
        stored.record,
        operation.level,
        deadline,
      );
      const { outcome: shipped, ended: last } = shipment.start();
      ended = last;
      const outcome = await deadline.race(shipped, (): ShipmentOutcome => ({
        kind: 'incomplete',
        held: shipment.copies,
        cause: TIME_IS_OVER,
      }));
      if (outcome.kind === 'incomplete') {
        const { needed } = new Quorum(view, partition, operation.level);
        throw this.indeterminate(operation, outcome.held, needed, outcome.cause);
      }
      return stored;
    } finally {
      this.trail(ended, bytes);
    }
  }

  /** Gives the bytes back when the last node was asked, which may be long after the write was acknowledged. */
  private trail(ended: Promise<unknown>, bytes: number): void {
    const trailing = ended.finally(() => {
      this.underWay.release(bytes);
      this.trailing.delete(trailing);
    });
    this.trailing.add(trailing);
  }

  /** Stamps the operation above what is held here, and makes the local copy durable. */
  private async store(operation: WriteOperation): Promise<WriteResult> {
    const { local, clock } = this.context;
    let existed = false;
    let applies = true;
    try {
      const record = await this.replica.stamping('', (stamp) =>
        local.update(operation.id, (current) => {
          assertTakesPart(this.context, operation.id.partition);
          existed = isVisible(current, clock.now());
          applies = doesApply(operation, current);
          return applies ? this.apply(operation, current, stamp) : undefined;
        }),
      );
      return { record: applies ? record : undefined, existed };
    } catch (error) {
      if (isDkvError(error, 'DKV_STORAGE_FAILED')) {
        throw this.indeterminate(operation, 0, 1, error);
      }
      throw error;
    }
  }

  private apply(
    { kind, id, value, ttlMs, expiredByMs }: WriteOperation,
    current: KvRecord | undefined,
    stamp: (seen?: string) => string,
  ): KvRecord {
    const { local, namespaces, clock, versions } = this.context;
    const { merger } = namespaces.get(id.namespace);
    const fence = local.fenceOf(id.partition);
    const above = current && current.version > fence ? current.version : fence;
    // An expired value is removed right above itself: whoever renewed it elsewhere meanwhile has stamped higher.
    const version = expiredByMs === undefined ? stamp(above) : versions.joinOf(above);
    // Before anything is stored: the replicas would refuse it, and it would stay here, above every later write.
    this.replica.assertNotFromTheFuture({ key: id.key, version }, current);
    if (kind === 'remove') {
      return stampTombstone(id, version, expiredByMs === undefined ? {} : { modifiedMs: clock.now() });
    }
    const expiresAtMs = ttlMs === 0 ? 0 : clock.now() + ttlMs;
    const incoming = { namespace: id.namespace, key: id.key, version, tombstone: false, expiresAtMs, value };
    return stampRecord({ ...incoming, value: merger.writeValue(current, incoming) });
  }

  private indeterminate({ id }: WriteOperation, held: number, needed: number, cause: unknown): DkvError {
    const why = cause instanceof Error ? cause.message : 'no answer';
    return new DkvError(
      'DKV_INDETERMINATE',
      `The write of key ${JSON.stringify(id.key)} is durable on ${held} of ${needed} nodes needed (${why}). It may ` +
        `still take effect; a later read with consistency 'quorum' tells.`,
      { cause },
    );
  }
}

/** Whether there is something to do: a removal of what has expired leaves alone what was renewed since. */
function doesApply({ expiredByMs }: WriteOperation, current: RecordHeader | undefined): boolean {
  if (expiredByMs === undefined) {
    return true;
  }
  return (
    current !== undefined &&
    !current.tombstone &&
    current.expiresAtMs !== 0 &&
    current.expiresAtMs <= expiredByMs
  );
}
