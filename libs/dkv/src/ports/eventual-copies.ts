/** What a node tells the others of its copies of eventual partitions while these move. */
import { type CopiedPlace } from '../model/membership.js';

export interface EventualCopies {
  /** Places that are on their way to this node, or stay on it, and whose records it has compared with enough nodes of the list. */
  readonly copied: readonly CopiedPlace[];
  /** Whether it has records of partitions that are on other nodes now, which it has not handed over. */
  readonly hasLeftOver: boolean;
}

/** Of a node without eventual namespaces. */
export const NO_EVENTUAL_COPIES: EventualCopies = Object.freeze({ copied: [], hasLeftOver: false });
