/** How many copies a read or a write of an eventual namespace needs, and who may be asked for them. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type CoreContext } from '../cluster/core-context.js';
import { DkvError } from '../dkv.errors.js';
import { copiesNeeded, type ReadLevel, type WriteLevel } from '../model/consistency.js';
import { type RecordId } from '../model/key.js';
import { type Operation } from '../ports/telemetry.js';

/**
 * Of the nodes of a partition. While its move is joint, of those that it moves to as well, each for itself: whoever knows of one
 * of the lists alone has a node in common with this (Raft's joint consensus, Ongaro 4.3, for copies that are no log).
 */
export class Quorum {
  private readonly lists: readonly (readonly string[])[];

  constructor(
    private readonly view: ClusterView,
    private readonly partition: number,
    private readonly level: ReadLevel | WriteLevel,
  ) {
    this.lists = view.stages.quorumListsOf(partition);
  }

  /** Copies that are needed at least; more where the lists differ. */
  get needed(): number {
    return Math.max(...this.lists.map((list) => copiesNeeded(this.level, list.length)));
  }

  /** Whether these nodes are enough. */
  isMetBy(nodeIds: readonly string[]): boolean {
    return this.lists.every(
      (list) =>
        list.filter((nodeId) => nodeIds.includes(nodeId)).length >= copiesNeeded(this.level, list.length),
    );
  }

  /** The nodes worth asking, those of the list of now first, best first. */
  get reachable(): readonly string[] {
    const [list, goal] = this.lists.map((each) => this.view.reachable(this.partition, each));
    return goal ? [...new Set([...list!, ...goal])] : list!;
  }
}

/**
 * The nodes of a key that are worth asking, best first.
 * @throws DkvError `DKV_QUORUM_NOT_REACHED` when they are too few for the level; nothing was sent.
 */
export function reachableQuorum(
  { view, telemetry }: Pick<CoreContext, 'view' | 'telemetry'>,
  operation: Operation,
  { partition, key }: RecordId,
  level: ReadLevel | WriteLevel,
): readonly string[] {
  const quorum = new Quorum(view, partition, level);
  const { reachable } = quorum;
  if (!quorum.isMetBy(reachable)) {
    telemetry.quorumFailure(operation);
    const reads = operation === 'get';
    throw new DkvError(
      'DKV_QUORUM_NOT_REACHED',
      `${reads ? 'Reading' : 'Writing'} key ${JSON.stringify(key)} needs ${quorum.needed} of the nodes ` +
        `${view.nodesOf(partition).join(', ')}; only ${reachable.length} can be reached from ${view.selfId}.` +
        (reads ? '' : ' Nothing was written.'),
    );
  }
  return reachable;
}
