/** Refuses early what too few nodes can be asked for. */
import { DkvError } from '../dkv.errors.js';
import { type RecordId } from '../model/key.js';
import { type WriteOperation } from '../model/peer-protocol.js';
import { type CoreContext } from './core-context.js';

/**
 * The nodes of a key that are worth asking, best first.
 * @throws DkvError `DKV_QUORUM_NOT_REACHED` when they are fewer than `needed`; nothing was sent.
 */
export function reachableQuorum(
  { view, telemetry }: Pick<CoreContext, 'view' | 'telemetry'>,
  kind: WriteOperation['kind'],
  { partition, key }: RecordId,
  needed: number,
): readonly string[] {
  const reachable = view.reachable(partition);
  if (reachable.length < needed) {
    const reads = kind === 'read';
    telemetry.quorumFailure(reads ? 'get' : kind);
    throw new DkvError(
      'DKV_QUORUM_NOT_REACHED',
      `${reads ? 'Reading' : 'Writing'} key ${JSON.stringify(key)} needs ${needed} of the nodes ` +
        `${view.listOf(partition).join(', ')}; only ${reachable.length} can be reached from ${view.selfId}.` +
        (reads ? '' : ' Nothing was written.'),
    );
  }
  return reachable;
}
