/** Takes a write of a strong key to a proposer: the holder, which needs one round trip, or any other node of the list. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { majorityOf } from '../model/consistency.js';
import { type WriteOperation, type WriteResult } from '../model/peer-protocol.js';
import { type CoreContext } from '../cluster/core-context.js';
import { Deadline } from '../cluster/deadline.js';
import { ASK_ANOTHER, type Forwarding, SilentCoordinator } from '../eventual/forwarding.js';
import { reachableQuorum } from '../cluster/reachable-quorum.js';
import { type Proposer } from './proposer.js';

export class StrongRouter {
  constructor(
    private readonly context: CoreContext,
    private readonly proposer: Proposer,
    private readonly forwarding: Forwarding,
  ) {}

  /**
   * A write, or a read that needs a round, that this node's own caller asked for.
   * @throws DkvError as Proposer.propose.
   */
  async write(operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    deadline.assertWanted();
    const { id, kind } = operation;
    const needed = majorityOf(this.context.view.copiesOf(id.partition));
    const candidates = reachableQuorum(this.context, kind, id, needed);
    let cause: unknown;
    for (let position = 0; position < candidates.length; position++) {
      try {
        return await this.writeAt(candidates[position]!, operation, deadline);
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
      `No node could propose a write of key ${JSON.stringify(id.key)}; nothing was written. The last ` +
        `answer: ${why}`,
      { cause },
    );
  }

  /** A write that another node forwarded. */
  coordinate(operation: WriteOperation, deadline: Deadline, resolve: boolean): Promise<WriteResult> {
    this.context.view.assertHolds(operation.id.partition);
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

  private writeAt(
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
    return this.forwarding.send(nodeId, operation, deadline, resolve);
  }
}
