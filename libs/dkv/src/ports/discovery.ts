/** Where nodes are found. Discovery tells addresses; it does not decide who is a member. */
import { type ClusterNode } from '../model/node.js';

export interface Discovery {
  /** How many nodes there are, where it shows the same ones for ever; undefined where they come and go. */
  readonly fixedSize?: number;
  /**
   * Announces this node. `onUpdate` is called after a change of the nodes, with all of them; never with an
   * error turned into an empty list. May block on the network.
   */
  register(self: ClusterNode, onUpdate: (nodes: readonly ClusterNode[]) => void): Promise<void>;
  /** Takes this node's announcement back; does not fail when there is none. */
  deregister(): Promise<void>;
  /** All nodes, this one included once it is announced. @throws DkvError `DKV_DISCOVERY_FAILED` when that is unknown. */
  getNodes(): Promise<readonly ClusterNode[]>;
}

export const Discovery = Symbol('DkvDiscovery');
