/** What has no place yet: records of eventual namespaces, before it is known of which nodes the cluster is made. */
import { type CoreContext } from '../cluster/core-context.js';
import { DkvError } from '../dkv.errors.js';
import { type NamespaceMode } from '../model/consistency.js';
import { type StrongMode } from '../ports/strong-mode.js';

/** Eventual records are written where the view has their places: they would be looked for elsewhere once that changes. */
export function unplaced(
  mode: NamespaceMode,
  { view, limits }: Pick<CoreContext, 'view' | 'limits'>,
  strong: Pick<StrongMode, 'unreadyReason'>,
): DkvError | undefined {
  const isUnplaced = mode === 'eventual' && limits.isProvisional && view.epoch === 0;
  const why = strong.unreadyReason ?? 'the cluster is being born';
  return isUnplaced
    ? new DkvError(
        'DKV_NOT_READY',
        `Node ${view.selfId} has no place for keys yet: ${why}. Nothing was done.`,
      )
    : undefined;
}
