/** What must not be forgotten of other nodes, though they go or this one is started again: which incarnations they have had. */
import { Peer } from './peers.js';

/** What is remembered of a peer across restarts of this node. */
export interface RememberedPeer {
  readonly incarnation: string;
  readonly session: number;
  readonly durablePosition: number;
  readonly earlierPosition?: number;
  /** Incarnations that it had before: none of them comes back. */
  readonly retired?: readonly string[];
}

/** Nodes that are not talked to now, of which something is remembered. */
const AWAY_MAX = 64;

export class RememberedPeers {
  /** Who went longest ago first. */
  private readonly away = new Map<string, Peer>();

  constructor(remembered: ReadonlyMap<string, RememberedPeer>) {
    for (const [nodeId, known] of remembered) {
      const peer = new Peer(nodeId);
      peer.incarnation = known.incarnation;
      peer.session = known.session;
      peer.durablePosition = known.durablePosition;
      peer.earlierPosition = known.earlierPosition ?? 0;
      peer.retired = known.retired ?? [];
      this.away.set(nodeId, peer);
    }
  }

  /** The node as it was, or as one of which nothing is known. */
  back(nodeId: string): Peer {
    const peer = this.away.get(nodeId) ?? new Peer(nodeId);
    this.away.delete(nodeId);
    return peer;
  }

  /** The node is not talked to for now. */
  went(peer: Peer): void {
    peer.part();
    if (peer.incarnation !== '') {
      this.away.set(peer.nodeId, peer);
      this.bound();
    }
  }

  /** To be called when all that are there have come back: what more there is goes, those that went first. */
  bound(): void {
    for (const nodeId of this.away.keys()) {
      if (this.away.size <= AWAY_MAX) {
        return;
      }
      this.away.delete(nodeId);
    }
  }

  /** For the next process run: of those that are there, and of those that are not. */
  noteWith(present: Iterable<Peer>): Record<string, RememberedPeer> {
    const note: Record<string, RememberedPeer> = {};
    for (const peer of [...this.away.values(), ...present]) {
      const { nodeId, incarnation, session, durablePosition, earlierPosition, retired } = peer;
      if (incarnation !== '') {
        note[nodeId] = { incarnation, session, durablePosition, earlierPosition, retired };
      }
    }
    return note;
  }
}
