/** Refuses early what too few nodes can be asked for. */
import { DkvError } from '../dkv.errors.js';
import { type RecordId } from '../model/key.js';
import { type Operation } from '../ports/telemetry.js';
import { type CoreContext } from '../cluster/core-context.js';

/**
 * The nodes of a key that are worth asking, best first.
 * @throws DkvError `DKV_QUORUM_NOT_REACHED` when they are fewer than `needed`; nothing was sent.
 */
export function reachableQuorum(
  { view, telemetry }: Pick<CoreContext, 'view' | 'telemetry'>,
  operation: Operation,
  { partition, key }: RecordId,
  needed: number,
): readonly string[] {
  const reachable = view.reachable(partition);
  if (reachable.length < needed) {
    telemetry.quorumFailure(operation);
    const reads = operation === 'get';
    throw new DkvError(
      'DKV_QUORUM_NOT_REACHED',
      `${reads ? 'Reading' : 'Writing'} key ${JSON.stringify(key)} needs ${needed} of the nodes ` +
        `${view.listOf(partition).join(', ')}; only ${reachable.length} can be reached from ${view.selfId}.` +
        (reads ? '' : ' Nothing was written.'),
    );
  }
  return reachable;
}
