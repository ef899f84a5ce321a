/** The members of the cluster as an operator sees and changes them. */
import { type ClusterConfiguration, type MembershipChange } from '../model/membership.js';
import { type DkvError } from '../dkv.errors.js';
import { type MoveBytes, type MovesProgress } from '../model/moves-report.js';
import { type ClusterNode } from '../model/node.js';

export interface CountedMoves {
  readonly whole: MovesProgress;
  /** Of one list that moves, by its place in the configuration. */
  of(place: number): MoveBytes;
}

export interface Membership {
  /** The newest that this node knows. */
  readonly configuration: ClusterConfiguration;
  /** Nodes that wait to be taken in, with the address under which they listen. */
  readonly candidates: readonly ClusterNode[];
  /** Why nothing can be agreed on now; undefined where it can. */
  readonly refusal: DkvError | undefined;
  /** How far what moves is. */
  readonly progress: CountedMoves;
  /**
   * Changes the configuration, all at once; what moves for it moves afterwards. Resolves with the epoch of a configuration that has
   * the changes, which is agreed on; where nothing differs, with the newest.
   * @throws DkvError `DKV_INVALID_ARGUMENT` for a node that is no member, or no candidate, where nobody would be left, and for a
   *   number of copies or a class that cannot be; `DKV_INVALID_OPTIONS` for a namespace too many;
   *   `DKV_NOT_READY` before the cluster is born; `DKV_CONFLICT` where others change it all the time; and what a write throws
   */
  change(changes: readonly MembershipChange[], timeoutMs: number): Promise<number>;
}
