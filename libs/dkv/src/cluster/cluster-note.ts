/** What a data folder keeps of the cluster that it belongs to, or has agreed to be one of. */
import { type FirstCluster, type FirstMembers } from '../model/node-messages.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';

/** What is noted durably of the cluster that a folder belongs to. */
export interface ClusterNote extends FirstCluster {
  /** '' for none yet. */
  readonly clusterId: string;
  /** The classes whose groups are born with the cluster, in the order of `lists`; for others see `class-birth.ts`. */
  readonly classes: readonly number[];
  /** Whether it is known that every node has accepted these members. */
  readonly isBorn: boolean;
}

/** Under which name the note is kept. */
export const CLUSTER_META = 'cluster';
export const NO_CLUSTER: ClusterNote = Object.freeze({
  clusterId: '',
  members: [],
  lists: [],
  configuration: '',
  classes: [],
  isBorn: false,
});

/** Of a data folder. */
export async function clusterNoteOf(meta: Pick<LocalKvRepo, 'getMeta'>): Promise<ClusterNote> {
  const text = await meta.getMeta(CLUSTER_META);
  return text === undefined ? NO_CLUSTER : { ...NO_CLUSTER, ...(JSON.parse(text) as ClusterNote) };
}

/** Who voted first in the groups of a class; undefined where the cluster was born without them. */
export function firstOfClass(
  { members, lists, classes }: ClusterNote,
  placement: number,
): FirstMembers | undefined {
  const row = classes.indexOf(placement);
  const slices = (lists.length - 1) / classes.length;
  return row < 0 ? undefined : { members, lists: lists.slice(row * slices, (row + 1) * slices) };
}
