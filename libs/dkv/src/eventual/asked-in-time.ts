/** Refuses what would count copies by a list that is not in force any more. */
import { type CoreContext } from '../cluster/core-context.js';
import { type Deadline } from '../cluster/deadline.js';
import { DkvError, isDkvError } from '../dkv.errors.js';

/** By then a node that can be reached has told of the configuration that it goes by: several heartbeats. */
const HEARD_WITHIN_MS = 1_000;
const PAUSE_MS = 50;

type Place = Pick<CoreContext, 'view' | 'limits'>;

/**
 * Whoever asks will have heard of the newer configuration, by heartbeats, before it asks again.
 * @param epoch by which the copy of this node would be counted; undefined where it is not counted
 * @throws DkvError `DKV_NOT_READY`; `DKV_FORWARDING_LOOP` where both go by the same configuration, and the partition is none of this node's
 */
export function assertAskedInTime(place: Place, partition: number, epoch: number | undefined): void {
  const { view } = place;
  if (epoch !== undefined && epoch < view.stages.barrierOf(partition)) {
    throw new DkvError(
      'DKV_NOT_READY',
      `Node ${view.selfId} knows of a later configuration of the cluster than epoch ${epoch}: partition ${partition} is on ` +
        'its way to other nodes. Try again.',
    );
  }
  if (epoch === view.epoch) {
    view.assertHolds(partition);
  }
  assertTakesPart(place, partition);
}

/** Whether this node does not know yet who holds what in the cluster that there is or is to be: by discovery alone it would be mistaken. */
export function isOutside({ view: { epoch, heardOf }, limits }: Place): boolean {
  return epoch === 0 && (heardOf > 0 || limits.isProvisional === true);
}

/** @throws DkvError `DKV_NOT_READY` where the partition is none of this node's, and not on its way to it */
export function assertTakesPart(place: Place, partition: number): void {
  const { view } = place;
  if (isOutside(place)) {
    throw new DkvError('DKV_NOT_READY', `Node ${view.selfId} has no part in the cluster yet. Try again.`);
  }
  if (!view.nodesOf(partition).includes(view.selfId)) {
    throw new DkvError(
      'DKV_NOT_READY',
      `Partition ${partition} is not on node ${view.selfId} by epoch ${view.epoch} of the configuration: its nodes are ` +
        `${view.nodesOf(partition).join(', ')}. Try again.`,
    );
  }
}

/** What `attempt` gives; where it was refused for what others know already, once more by what this node knows then. */
export async function untilHeard<T>(deadline: Deadline, attempt: () => Promise<T>): Promise<T> {
  for (let leftMs = HEARD_WITHIN_MS; ; leftMs -= PAUSE_MS) {
    try {
      return await attempt();
    } catch (error) {
      if (leftMs <= 0 || !isRefusedForNow(error)) {
        throw error;
      }
      await deadline.pause(PAUSE_MS);
      if (deadline.over) {
        throw error;
      }
    }
  }
}

function isRefusedForNow(error: unknown): boolean {
  const cause = isDkvError(error, 'DKV_QUORUM_NOT_REACHED') ? error.cause : error;
  return isDkvError(cause, 'DKV_NOT_READY');
}
