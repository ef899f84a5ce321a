/** A process run of a peer, as the one that asked. */
import { type Peer } from '../cluster/peers.js';
import { type NodeMessage } from '../model/node-messages.js';

export interface MessageSender {
  say(nodeId: string, message: NodeMessage): void;
  /** In a frame of its own, for what is long. False when it was dropped. */
  sayBulk(nodeId: string, message: NodeMessage): boolean;
}

/**
 * Answers go to the process run that asked, or nowhere: questions are told apart by slots, and the next run of the node has
 * others in the same ones.
 */
export class PeerRun {
  readonly member: string;
  private readonly session: number;

  constructor(
    private readonly peer: Peer,
    private readonly sender: MessageSender,
  ) {
    this.member = peer.member;
    this.session = peer.session;
  }

  get nodeId(): string {
    return this.peer.nodeId;
  }

  /** Whether the node has come back as another process since, or with another folder. */
  get isOver(): boolean {
    const { peer } = this;
    return peer.session !== this.session || peer.member !== this.member;
  }

  say(message: NodeMessage): void {
    if (!this.isOver) {
      this.sender.say(this.nodeId, message);
    }
  }

  /** False when it was dropped. */
  sayBulk(message: NodeMessage): boolean {
    return !this.isOver && this.sender.sayBulk(this.nodeId, message);
  }
}
