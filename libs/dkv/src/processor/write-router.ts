/** Takes a write to the node that coordinates it: the holder, or the next of its list that can. */
import { LRUCache } from 'lru-cache';
import { DkvError, isDkvError } from '../dkv.errors.js';
import { copiesNeeded } from '../model/consistency.js';
import { type PeerProtocol, type WriteOperation, type WriteResult } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { type CoreContext } from './core-context.js';
import { Deadline } from './deadline.js';
import { type OwnWrites } from './own-writes.js';
import { type Replica } from './replica.js';
import { type WriteCoordinator } from './write-coordinator.js';

/**
 * Answers that prove that nothing was written, so that another node may be asked: the request never arrived, or was
 * refused at the door.
 */
const ASK_ANOTHER = [
  'DKV_PEER_UNREACHABLE',
  'DKV_NOT_READY',
  'DKV_READ_ONLY',
  'DKV_OVERLOADED',
  'DKV_QUORUM_NOT_REACHED',
  'DKV_CONFIGURATION_MISMATCH',
  'DKV_CLOCK_SKEW',
  'DKV_FORBIDDEN',
  'DKV_FORWARDING_LOOP',
] as const;

/** Answers after which asking another node is no use, and that nothing was written is known as well. */
const REFUSED = [
  'DKV_VALUE_TOO_LARGE',
  'DKV_CODEC_FAILED',
  'DKV_INVALID_ARGUMENT',
  'DKV_INVALID_KEY',
] as const;

/** The coordinator gets this part of the time that is left, so that its verdict arrives before ours is due. */
const COORDINATOR_SHARE = 0.9;
/** Forwarded requests whose outcome is remembered, in case one arrives twice. */
const FORWARDED_MAX = 4_096;

export class WriteRouter {
  private readonly requestPrefix: string;
  private requests = 0;
  private readonly forwarded = new LRUCache<string, Promise<WriteResult>>({ max: FORWARDED_MAX });

  constructor(
    private readonly context: CoreContext,
    private readonly coordinator: WriteCoordinator,
    private readonly ownWrites: OwnWrites,
    private readonly replica: Replica,
  ) {
    const start = Math.floor(context.random.next() * 2 ** 48).toString(36);
    this.requestPrefix = `${context.view.selfId}.${start}.`;
  }

  /**
   * A write that this node's own caller asked for.
   * @throws DkvError as WriteCoordinator.write; `DKV_INDETERMINATE` also when the coordinator fell silent.
   */
  async write(operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    deadline.assertWanted();
    const candidates = this.candidates(operation);
    let cause: unknown;
    for (const nodeId of candidates) {
      try {
        return await this.writeAt(nodeId, operation, deadline);
      } catch (error) {
        if (!isDkvError(error, ...ASK_ANOTHER)) {
          throw error;
        }
        cause = error;
      }
      deadline.assertWanted();
      if (deadline.over) {
        // The caller has its answer: a write begun now would be one that nobody asked for.
        break;
      }
    }
    const told = isDkvError(cause) && candidates.length === 1 && cause.code !== 'DKV_PEER_UNREACHABLE';
    if (isDkvError(cause, 'DKV_OVERLOADED') || told) {
      throw cause;
    }
    throw this.refused(operation, cause);
  }

  /**
   * A write that another node forwarded. It is coordinated here or refused, never passed on; when it arrives twice,
   * both get the answer of the first.
   * @throws DkvError `DKV_FORWARDING_LOOP` when it was here before or this node holds no copy; `DKV_NOT_READY` when
   *   it arrived after its sender gave it up.
   */
  writeForwarded(ask: PeerProtocol['forward']['ask'], sentAtMs: number): Promise<WriteResult> {
    const known = this.forwarded.get(ask.requestId);
    if (known) {
      return known;
    }
    const result = this.coordinateForwarded(ask, sentAtMs);
    this.forwarded.set(ask.requestId, result);
    return result;
  }

  private async coordinateForwarded(
    { operation, visited, timeoutMs }: PeerProtocol['forward']['ask'],
    sentAtMs: number,
  ): Promise<WriteResult> {
    const { view, clock, limits } = this.context;
    if (visited.includes(view.selfId)) {
      throw new DkvError(
        'DKV_FORWARDING_LOOP',
        `The write of key ${JSON.stringify(operation.id.key)} came back to node ${view.selfId}; it has been at ` +
          `${visited.join(', ')}.`,
      );
    }
    // A message can lie in a stopped process for minutes. Only what clocks in tolerance cannot explain counts.
    const lateMs = Math.max(0, clock.now() - sentAtMs - limits.maxClockOffsetMs);
    if (lateMs >= timeoutMs) {
      throw new DkvError('DKV_NOT_READY', `The write arrived ${lateMs} ms late: its sender has given it up.`);
    }
    return this.coordinator.write(operation, new Deadline(clock, timeoutMs - lateMs));
  }

  private candidates({ kind, id, level }: WriteOperation): readonly string[] {
    const { view, telemetry } = this.context;
    const reachable = view.reachable(id.partition);
    const needed = copiesNeeded(level, view.ring.copies);
    if (reachable.length < needed) {
      telemetry.quorumFailure(kind);
      throw new DkvError(
        'DKV_QUORUM_NOT_REACHED',
        `Writing key ${JSON.stringify(id.key)} at level ${level} needs ${needed} of the nodes ` +
          `${view.ring.preferenceList(id.partition).join(', ')}; ${reachable.length} can be reached from ` +
          `${view.selfId}. Nothing was written.`,
      );
    }
    return reachable;
  }

  private async writeAt(nodeId: string, operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    const { view } = this.context;
    if (nodeId === view.selfId) {
      return this.coordinator.write(operation, deadline);
    }
    const result = await this.forward(nodeId, operation, deadline);
    this.context.versions.observe(result.record.version);
    await this.remember(operation, result.record, nodeId);
    return result;
  }

  /** A node reads what it wrote: it stores the record where it holds a copy, and notes it where it does not. */
  private async remember({ id }: WriteOperation, record: KvRecord, coordinator: string): Promise<void> {
    if (this.context.view.holds(id.partition)) {
      try {
        await this.replica.join(id.partition, record);
        return;
      } catch (error) {
        this.context.logger.debug?.(`An own write is not in the local copy: ${(error as Error).message}`);
      }
    }
    this.ownWrites.note(id, record.version, coordinator);
  }

  private async forward(nodeId: string, operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    const { view, peers, limits } = this.context;
    const leftMs = Math.max(1, deadline.leftMs);
    const timeoutMs = Math.max(1, Math.floor(leftMs * COORDINATOR_SHARE));
    const ask = { operation, visited: [view.selfId], timeoutMs, requestId: this.nextRequestId() };
    try {
      const unsentTimeoutMs = Math.min(limits.peerTimeoutMs, leftMs);
      const options = { timeoutMs: leftMs, unsentTimeoutMs, signal: deadline.signal };
      return await peers.call(nodeId, 'forward', ask, options);
    } catch (cause) {
      if (isDkvError(cause, 'DKV_INDETERMINATE', ...ASK_ANOTHER, ...REFUSED)) {
        throw cause;
      }
      throw new DkvError(
        'DKV_INDETERMINATE',
        `Node ${nodeId} was asked to write key ${JSON.stringify(operation.id.key)} and its answer did not come: ` +
          `${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
  }

  /** Unique among the requests of this process and, by the random part, of its other starts. */
  private nextRequestId(): string {
    return `${this.requestPrefix}${(this.requests++).toString(36)}`;
  }

  private refused({ id }: WriteOperation, cause: unknown): DkvError {
    const why = cause instanceof Error ? cause.message : 'no node is left';
    return new DkvError(
      'DKV_QUORUM_NOT_REACHED',
      `No node could take the write of key ${JSON.stringify(id.key)}; nothing was written. The last answer: ${why}`,
      { cause },
    );
  }
}
