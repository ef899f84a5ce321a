/** Passes a write to the node that coordinates it, and takes in what others pass here: once, and only in time. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { idOf, type RecordId } from '../model/key.js';
import { type PeerProtocol, type WriteOperation, type WriteResult } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { ADDRESS_REMEDY } from '../cluster/cluster-view.js';
import { type CoreContext } from '../cluster/core-context.js';
import { Deadline } from '../cluster/deadline.js';
import { type OwnWrites } from './own-writes.js';
import { ReceivedRequests } from './received-requests.js';
import { type Replica } from './replica.js';

/**
 * Answers that prove that nothing was written, so that another node may be asked: the request never arrived, or was
 * refused at the door.
 */
export const ASK_ANOTHER = [
  'DKV_PEER_UNREACHABLE',
  'DKV_NOT_READY',
  'DKV_READ_ONLY',
  'DKV_OVERLOADED',
  'DKV_QUORUM_NOT_REACHED',
  'DKV_CONFIGURATION_MISMATCH',
  'DKV_CLOCK_SKEW',
  'DKV_FORBIDDEN',
  'DKV_FORWARDING_LOOP',
  'DKV_UNKNOWN_NAMESPACE',
] as const;

/** Answers after which asking another node is no use, and that nothing was written is known as well. */
const REFUSED = [
  'DKV_VALUE_TOO_LARGE',
  'DKV_CODEC_FAILED',
  'DKV_INVALID_ARGUMENT',
  'DKV_INVALID_KEY',
  'DKV_UNSUPPORTED',
] as const;

/** The coordinator gets this part of the time that is left, so that its verdict arrives before ours is due. */
const COORDINATOR_SHARE = 0.9;

type Forward = PeerProtocol['forward'];

export class Forwarding {
  private readonly received: ReceivedRequests;
  private readonly begunAtMs: number;

  constructor(
    private readonly context: CoreContext,
    private readonly replica: Replica,
    private readonly ownWrites: OwnWrites,
  ) {
    this.received = new ReceivedRequests(context.clock);
    this.begunAtMs = context.clock.now();
  }

  /**
   * What is received is remembered in memory, so a message that was sent before this node started, as far as clocks can
   * tell, may have been answered by the process that ran before: a refusal then stands, though the message comes once more. Resolves
   * when nothing that is sent from now on looks like that.
   */
  async begun(): Promise<void> {
    const { clock, limits, view } = this.context;
    const leftMs = this.begunAtMs + 2 * limits.maxClockOffsetMs - clock.now();
    if (view.peers.length > 0 && leftMs > 0) {
      await new Promise<void>((resolve) => clock.schedule(leftMs, resolve));
    }
  }

  /**
   * @throws DkvError with a code of {@link ASK_ANOTHER}: nothing was done there; one of the coordinator's own verdicts;
   *   `DKV_INDETERMINATE` also when its answer did not come: it may or may not be at work.
   */
  async send(nodeId: string, operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    const { view, peers, limits, versions } = this.context;
    const leftMs = Math.max(1, deadline.leftMs);
    const timeoutMs = Math.max(1, Math.floor(deadline.leftMs * COORDINATOR_SHARE));
    const ask = { operation, visited: [view.selfId], timeoutMs, epoch: view.epoch };
    const unsentTimeoutMs = Math.min(limits.peerTimeoutMs, leftMs);
    const options = { timeoutMs: leftMs, unsentTimeoutMs, signal: deadline.signal };
    let result: WriteResult;
    try {
      result = await peers.call(nodeId, 'forward', ask, options);
    } catch (cause) {
      throw isDkvError(cause, 'DKV_INDETERMINATE', ...ASK_ANOTHER, ...REFUSED)
        ? cause
        : silent(nodeId, operation.id.key, cause);
    }
    if (result.record) {
      versions.observe(result.record.version);
      await this.remember(operation.id, result.record, nodeId);
    }
    return result;
  }

  /** A node reads what it wrote: it keeps the record where it holds a copy, and notes it where it does not. */
  private async remember(id: RecordId, record: KvRecord, coordinator: string): Promise<void> {
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

  /**
   * A write that another node forwarded, coordinated by `coordinate` or refused, never passed on; when it arrives
   * twice, both get the answer of the first.
   * @throws DkvError `DKV_FORWARDING_LOOP` when it was here before; `DKV_NOT_READY` when it arrived after its sender
   *   gave it up, or may be of the time before this node started.
   */
  receive(
    ask: Forward['ask'],
    sentAtMs: number,
    coordinate: (deadline: Deadline) => Promise<WriteResult>,
  ): Promise<WriteResult> {
    const { requestId, id } = ask.operation;
    const name = `${requestId} ${idOf(id)}`;
    // It is not carried out later than that, so a message that comes once more later is refused as late.
    const rememberMs = ask.timeoutMs + 2 * this.context.limits.maxClockOffsetMs;
    return this.received.once(name, rememberMs, () => this.inTime(ask, sentAtMs, coordinate));
  }

  private async inTime(
    { operation, visited, timeoutMs }: Forward['ask'],
    sentAtMs: number,
    coordinate: (deadline: Deadline) => Promise<WriteResult>,
  ): Promise<WriteResult> {
    const { view, clock, limits } = this.context;
    if (visited.includes(view.selfId)) {
      throw new DkvError(
        'DKV_FORWARDING_LOOP',
        `The write of key ${JSON.stringify(operation.id.key)} came back to node ${view.selfId}; it has been at ` +
          `${visited.join(', ')}. ${ADDRESS_REMEDY}`,
      );
    }
    if (sentAtMs <= this.begunAtMs + limits.maxClockOffsetMs) {
      throw new DkvError(
        'DKV_NOT_READY',
        `Node ${view.selfId} has just started, and cannot tell the write from one that it refused before. Try again.`,
      );
    }
    // A message can lie in a stopped process for minutes. Only what clocks in tolerance cannot explain counts.
    const lateMs = Math.max(0, clock.now() - sentAtMs - limits.maxClockOffsetMs);
    if (lateMs >= timeoutMs) {
      throw new DkvError('DKV_NOT_READY', `The write arrived ${lateMs} ms late: its sender has given it up.`);
    }
    return coordinate(new Deadline(clock, timeoutMs - lateMs));
  }
}

function silent(nodeId: string, key: string, cause: unknown): DkvError {
  return new DkvError(
    'DKV_INDETERMINATE',
    `Node ${nodeId} was asked to write key ${JSON.stringify(key)} and its answer did not come: ` +
      `${cause instanceof Error ? cause.message : String(cause)} It may still take effect; a later read with consistency ` +
      "'quorum' tells.",
    { cause },
  );
}
