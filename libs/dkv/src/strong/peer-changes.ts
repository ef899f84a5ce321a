/** What the groups and calls of a node do when another node is lost, found, started again, or has missed what it was told. */
import { type PeerDirectory, type PeerListener } from '../cluster/peer-directory.js';
import { type Peer } from '../cluster/peers.js';
import { type Fitness } from './fitness.js';
import { type Quorums } from './quorums.js';
import { type StrongCalls } from './strong-calls.js';
import { type StrongNode } from './strong-node.js';

export interface PeerChangeServices {
  readonly node: StrongNode;
  readonly calls: StrongCalls;
  readonly directory: PeerDirectory;
  readonly fitness: Fitness;
  readonly quorums: Quorums;
}

export class PeerChanges implements Omit<PeerListener, 'forgotten'> {
  constructor(private readonly services: PeerChangeServices) {}

  lost(peer: Peer): void {
    const { node, calls, quorums } = this.services;
    calls.lost(peer.nodeId);
    node.leadership.nodeLost(peer.nodeId);
    quorums.look();
    node.wakeChanged();
  }

  /** What it was asked is asked elsewhere, and what it led has no leader here: nobody hears of it any more. */
  gone(peer: Peer): void {
    this.services.node.inbound.forget(peer.nodeId);
    this.lost(peer);
  }

  found(peer: Peer): void {
    const { node, directory, fitness, quorums } = this.services;
    quorums.look();
    // With it there may be a majority again: where nobody leads, the first of the list need not wait for its time-out.
    for (const group of node.groups.values()) {
      if (group.raft.leader === undefined && fitness.canLead) {
        node.leadership.campaignIfFirst(group);
      }
    }
    node.say(peer.nodeId, directory.heartbeatFor(peer));
    this.resend(peer.nodeId);
  }

  /** Another process is another follower of nobody: what it led has no leader, what it was asked has no answer. */
  restarted(peer: Peer): void {
    this.services.calls.lost(peer.nodeId);
    this.services.node.leadership.nodeLost(peer.nodeId);
    this.found(peer);
  }

  missed(peer: Peer): void {
    this.resend(peer.nodeId);
  }

  /** Frames to the node are lost: what they told is told again, what they asked is asked again. */
  resend(nodeId: string): void {
    const { node, calls, directory } = this.services;
    calls.lost(nodeId);
    const member = directory.find(nodeId)?.member;
    if (member !== undefined) {
      for (const { raft } of node.groups.values()) {
        raft.unreachable(member);
      }
      node.wakeChanged();
    }
  }
}
