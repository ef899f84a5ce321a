/** What a transport finds out about other nodes beside what they say: refusals, and ways that lead nowhere. */
import { type RefusalReason } from '../model/node.js';

export interface PeerRefusal {
  /** Node id that the other side gives itself, or is asked under; else its address. Not to be trusted. */
  readonly peer: string;
  readonly reason: RefusalReason;
  /** For people: who refuses whom, why, and the remedy. */
  readonly message: string;
}

/** May be told with every attempt; whoever listens decides what is worth a line of the log. Must not throw. */
export interface PeerObserver {
  /** This node did not listen to a peer, or the peer not to this node. */
  refused(refusal: PeerRefusal): void;
  /** No connection to the node can be made; `why` is a sentence for people. */
  unreachable(nodeId: string, why: string): void;
}
