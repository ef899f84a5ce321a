/** What has no place yet: records of eventual namespaces, before it is known of which nodes the cluster is made. */
import { type CoreContext } from '../cluster/core-context.js';
import { DkvError } from '../dkv.errors.js';
import { type StrongMode } from '../ports/strong-mode.js';

type Place = Pick<CoreContext, 'view' | 'limits'>;

/** Why there is none, for people; undefined where there is: records would be looked for elsewhere once the view changes. */
export function unplacedReason(
  { view, limits }: Place,
  strong: Pick<StrongMode, 'unreadyReason'>,
): string | undefined {
  return limits.isProvisional && view.epoch === 0
    ? (strong.unreadyReason ?? 'the cluster is being born')
    : undefined;
}

/** The refusal of a call to an eventual namespace. */
export function unplaced(place: Place, strong: Pick<StrongMode, 'unreadyReason'>): DkvError | undefined {
  const why = unplacedReason(place, strong);
  return why === undefined
    ? undefined
    : new DkvError(
        'DKV_NOT_READY',
        `Node ${place.view.selfId} has no place for keys yet: ${why}. Nothing was done.`,
      );
}
