/** Of how many nodes a new cluster is made, by the options and by what kind of discovery there is. */
import { DkvError } from '../dkv.errors.js';
import { type DkvOptions } from '../dkv.options.js';

export interface FirstNodes {
  readonly clusterSize: number;
  /** Whether discovery shows the same nodes from the beginning. */
  readonly hasFixedNodes: boolean;
  /** Whether a cluster that is not born yet may be made of others than those that discovery shows now. */
  readonly isProvisional: boolean;
}

/** @throws DkvError `DKV_INVALID_OPTIONS` where nothing says how many there are to be */
export function firstNodesOf({
  clusterSize,
  discovery,
}: Pick<DkvOptions, 'clusterSize' | 'discovery'>): FirstNodes {
  const fixedSize = discovery ? discovery.fixedSize : 1;
  const size = clusterSize ?? fixedSize;
  if (size === undefined) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      'clusterSize is missing: this discovery shows nodes as they come and go, so say of how many a new cluster is made: as ' +
        'many as you start at first, such as clusterSize: 3.',
    );
  }
  return {
    clusterSize: size,
    hasFixedNodes: fixedSize !== undefined,
    isProvisional: fixedSize !== size,
  };
}

/**
 * For a folder that belongs to no cluster.
 * @throws DkvError `DKV_INVALID_OPTIONS` where so many nodes cannot be, or two clusters could be made of the list
 */
export function assertCanForm({
  clusterSize,
  discovery,
}: Pick<DkvOptions, 'clusterSize' | 'discovery'>): void {
  const listed = discovery?.fixedSize;
  if (clusterSize === undefined || listed === undefined) {
    return;
  }
  if (clusterSize > listed || 2 * clusterSize <= listed) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      `clusterSize is ${clusterSize} with a list of ${listed} nodes: give ${Math.floor(listed / 2) + 1} to ${listed}, so that ` +
        'no two clusters can be made of them, or leave it out for all.',
    );
  }
}
