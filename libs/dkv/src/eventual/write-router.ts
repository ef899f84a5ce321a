/** Takes a write of an eventual namespace to its coordinator: the holder, or the next of its list that can. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type WriteOperation, type WriteResult } from '../model/peer-protocol.js';
import { type CoreContext } from '../cluster/core-context.js';
import { type Deadline } from '../cluster/deadline.js';
import { ASK_ANOTHER, type Forwarding } from './forwarding.js';
import { untilHeard } from './asked-in-time.js';
import { reachableQuorum } from './quorum.js';
import { type RequestIds } from './request-ids.js';
import { type WriteCoordinator } from './write-coordinator.js';

export class WriteRouter {
  constructor(
    private readonly context: CoreContext,
    private readonly coordinator: WriteCoordinator,
    private readonly forwarding: Forwarding,
    private readonly requestIds: RequestIds,
  ) {}

  /**
   * A write that this node's own caller asked for. While its partition moves, nodes may refuse it until all know of that: it is
   * given to the nodes of the newer configuration then, under another id, since who refused it will do so again.
   * @throws DkvError as WriteCoordinator.write; `DKV_INDETERMINATE` also when the coordinator fell silent.
   */
  write(operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    let asked = 0;
    return untilHeard(deadline, () =>
      this.writeOnce(
        asked++ === 0 ? operation : { ...operation, requestId: this.requestIds.next() },
        deadline,
      ),
    );
  }

  private async writeOnce(operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    deadline.assertWanted();
    const { id, kind, level } = operation;
    const candidates = reachableQuorum(this.context, kind, id, level).filter((nodeId) =>
      this.context.view.holds(id.partition, nodeId),
    );
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

  private writeAt(nodeId: string, operation: WriteOperation, deadline: Deadline): Promise<WriteResult> {
    return nodeId === this.context.view.selfId
      ? this.coordinator.write(operation, deadline)
      : this.forwarding.send(nodeId, operation, deadline);
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
