/** Where nodes are found. Discovery tells addresses; it does not decide who is a member. */
import { type ClusterNode } from '../model/node.js';

export interface Discovery {
  /** How many nodes there are, where it shows the same ones for ever; undefined where they come and go. */
  readonly fixedSize?: number;
  /**
   * Announces this node. `onUpdate` is called after a change of the nodes, with all of them; never with an error turned into an
   * empty list, never after `deregister` was called, and never from within `register`. Once more with the same node, it takes
   * the new `onUpdate`. May block on the network.
   * @throws DkvError `DKV_DISCOVERY_FAILED` when the node is not announced, `DKV_INVALID_OPTIONS` when it never can be
   */
  register(self: ClusterNode, onUpdate: (nodes: readonly ClusterNode[]) => void): Promise<void>;
  /** Takes this node's announcement back; does not fail when there is none. */
  deregister(): Promise<void>;
  /** All nodes, this one included once it is announced. @throws DkvError `DKV_DISCOVERY_FAILED` when that is unknown. */
  getNodes(): Promise<readonly ClusterNode[]>;
  /** That it tells of a node only after this was registered: a node that has just started is missing. */
  readonly isRegistry?: boolean;
  /** What ails it now, for health; undefined when all is well. */
  readonly trouble?: string;
}

export const Discovery = Symbol('DkvDiscovery');
