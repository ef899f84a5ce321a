/** Waits for the node's log: what a checkpoint shows must be durable there first (rule 4 of the strong mode). */
import { type DkvError } from '../../dkv.errors.js';
import { type NodeLog } from '../../ports/node-log.js';

/**
 * Resolves when all that was added to the log before the call is durable there. A log that failed is asked for its
 * position only: what it has may be checkpointed, or a full disk could never become emptier.
 * @throws DkvError `DKV_READ_ONLY`, `DKV_STORAGE_FAILED`: the log's
 */
export async function logDurable(log: NodeLog): Promise<void> {
  const { position } = log;
  let error = log.failure;
  if (!error) {
    // Also what was added in this turn and not flushed yet, so the log is always asked.
    error = await new Promise<DkvError | undefined>((resolve) => log.flush(resolve));
  }
  if (error && log.durablePosition < position) {
    throw error;
  }
}
