/** Takes a write of a strong key to a proposer: the holder, which needs one round trip, or any other node of the list. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { majorityOf } from '../model/consistency.js';
import { type WriteOperation, type WriteResult } from '../model/peer-protocol.js';
import { type CoreContext } from '../processor/core-context.js';
import { Deadline } from '../processor/deadline.js';
import { ASK_ANOTHER, type Forwarding, SilentCoordinator } from '../processor/forwarding.js';
import { type OwnWrites } from '../processor/own-writes.js';
import { type Acceptor } from './acceptor.js';
import { type Proposer } from './proposer.js';

export class StrongRouter {
  constructor(
    private readonly context: CoreContext,
    private readonly proposer: Proposer,
    private readonly acceptor: Acceptor,
    private readonly forwarding: Forwarding,
    private readonly ownWrites: OwnWrites,
  ) {}

  /**
   * A write, or a read that needs a round, that this node's own caller asked for.
   * @throws DkvError as Proposer.propose.
   */
  async write(operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    deadline.assertWanted();
    const candidates = this.candidates(operation);
    let cause: unknown;
    for (const [position, nodeId] of candidates.entries()) {
      try {
        return await this.writeAt(nodeId, operation, deadline);
      } catch (error) {
        if (error instanceof SilentCoordinator) {
          return this.resolve(operation, candidates.slice(position + 1), deadline, error);
        }
        // What the holder has no room for would only be in its way from elsewhere.
        if (!isDkvError(error, ...ASK_ANOTHER) || isDkvError(error, 'DKV_OVERLOADED')) {
          throw error;
        }
        cause = error;
      }
      deadline.assertWanted();
      if (deadline.over) {
        break;
      }
    }
    const told = isDkvError(cause) && candidates.length === 1 && cause.code !== 'DKV_PEER_UNREACHABLE';
    if (told) {
      throw cause;
    }
    const why = cause instanceof Error ? cause.message : 'no node is left';
    throw new DkvError(
      'DKV_QUORUM_NOT_REACHED',
      `No node could propose a write of key ${JSON.stringify(operation.id.key)}; nothing was written. The last ` +
        `answer: ${why}`,
      { cause },
    );
  }

  /** A write that another node forwarded. */
  coordinate(operation: WriteOperation, deadline: Deadline, resolve: boolean): Promise<WriteResult> {
    const { view } = this.context;
    if (!view.holds(operation.id.partition)) {
      throw new DkvError(
        'DKV_FORWARDING_LOOP',
        `Node ${view.selfId} holds no copy of partition ${operation.id.partition}: its nodes are ` +
          `${view.listOf(operation.id.partition).join(', ')}.`,
      );
    }
    return this.proposer.propose(operation, deadline, resolve);
  }

  /** The node that was asked fell silent: another one finds out what became of the write, or that nobody can know. */
  private async resolve(
    operation: WriteOperation,
    others: readonly string[],
    deadline: Deadline,
    silence: DkvError,
  ): Promise<WriteResult> {
    // A read took no effect, so it may simply be asked again.
    const resolve = operation.kind !== 'read';
    for (const nodeId of others) {
      if (deadline.over) {
        break;
      }
      try {
        return await this.writeAt(nodeId, operation, deadline, resolve);
      } catch (error) {
        this.context.logger.debug?.(`Node ${nodeId} could not resolve a write: ${(error as Error).message}`);
      }
    }
    throw silence;
  }

  private candidates({ kind, id }: WriteOperation): readonly string[] {
    const { view, telemetry } = this.context;
    const reachable = view.reachable(id.partition);
    const needed = majorityOf(view.copiesOf(id.partition));
    if (reachable.length < needed) {
      telemetry.quorumFailure(kind === 'read' ? 'get' : kind);
      throw new DkvError(
        'DKV_QUORUM_NOT_REACHED',
        `Key ${JSON.stringify(id.key)} needs ${needed} of the nodes ${view.listOf(id.partition).join(', ')}; ` +
          `${reachable.length} can be reached from ${view.selfId}. Nothing was written.`,
      );
    }
    return reachable;
  }

  private async writeAt(
    nodeId: string,
    operation: WriteOperation,
    deadline: Deadline,
    resolve = false,
  ): Promise<WriteResult> {
    const { view, clock } = this.context;
    if (nodeId === view.selfId) {
      // Its verdict must be there before the caller's time is over.
      const own = new Deadline(clock, this.forwarding.share(deadline), deadline.signal);
      return this.proposer.propose(operation, own, resolve);
    }
    const result = await this.forwarding.send(nodeId, operation, deadline, resolve);
    await this.remember(operation, result, nodeId);
    return result;
  }

  /** A node reads what it wrote: it shows the record where it holds a copy, and notes it where it does not. */
  private async remember(
    { id }: WriteOperation,
    { record }: WriteResult,
    coordinator: string,
  ): Promise<void> {
    if (!record) {
      return;
    }
    const { view, versions, logger } = this.context;
    versions.observe(record.version);
    if (view.holds(id.partition)) {
      try {
        await this.acceptor.learn(id, record);
        return;
      } catch (error) {
        logger.debug?.(`An own write is not in the local copy: ${(error as Error).message}`);
      }
    }
    this.ownWrites.note(id, record.version, coordinator);
  }
}
