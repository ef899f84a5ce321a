/** Takes a write of an eventual namespace to its coordinator: the holder, or the next of its list that can. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { copiesNeeded } from '../model/consistency.js';
import { type WriteOperation, type WriteResult } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { type CoreContext } from './core-context.js';
import { type Deadline } from './deadline.js';
import { ASK_ANOTHER, type Forwarding } from './forwarding.js';
import { type OwnWrites } from './own-writes.js';
import { type Replica } from './replica.js';
import { type WriteCoordinator } from './write-coordinator.js';

export class WriteRouter {
  constructor(
    private readonly context: CoreContext,
    private readonly coordinator: WriteCoordinator,
    private readonly forwarding: Forwarding,
    private readonly ownWrites: OwnWrites,
    private readonly replica: Replica,
  ) {}

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

  private candidates({ kind, id, level }: WriteOperation): readonly string[] {
    const { view, telemetry } = this.context;
    const reachable = view.reachable(id.partition);
    const needed = copiesNeeded(level, view.copiesOf(id.partition));
    if (reachable.length < needed) {
      telemetry.quorumFailure(kind === 'read' ? 'get' : kind);
      throw new DkvError(
        'DKV_QUORUM_NOT_REACHED',
        `Writing key ${JSON.stringify(id.key)} at level ${level} needs ${needed} of the nodes ` +
          `${view.listOf(id.partition).join(', ')}; ${reachable.length} can be reached from ` +
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
    const result = await this.forwarding.send(nodeId, operation, deadline);
    if (result.record) {
      this.context.versions.observe(result.record.version);
      await this.remember(operation, result.record, nodeId);
    }
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

  private refused({ id }: WriteOperation, cause: unknown): DkvError {
    const why = cause instanceof Error ? cause.message : 'no node is left';
    return new DkvError(
      'DKV_QUORUM_NOT_REACHED',
      `No node could take the write of key ${JSON.stringify(id.key)}; nothing was written. The last answer: ${why}`,
      { cause },
    );
  }
}
