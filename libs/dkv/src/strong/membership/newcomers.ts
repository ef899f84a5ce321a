/** Nodes that would like to be members: how one of them says so, and what the members know of them. */
import { type ClusterView } from '../../cluster/cluster-view.js';
import { type PeerDirectory } from '../../cluster/peer-directory.js';
import { type ClusterNode } from '../../model/node.js';
import { type NodeMessage } from '../../model/node-messages.js';
import { type GroupList } from '../group-list.js';

/** Ticks after which a newcomer that has not said so again is none any more. */
const SAID_TICKS = 50;
/** Ticks after which a guest that is not heard is not talked to any more: who left must have had the time to hear of it. */
const SILENT_TICKS = 600;

export interface NewcomerServices {
  readonly view: ClusterView;
  readonly directory: PeerDirectory;
  readonly groups: GroupList;
  /** '' until this node belongs to one. */
  readonly clusterId: () => string;
  /** Whether this node has left the cluster for good. */
  readonly hasLeft: () => boolean;
  /** Whether it has records that it has not handed over yet. */
  readonly hasLeftOver: () => boolean;
  say(nodeId: string, message: NodeMessage): void;
}

export class Newcomers {
  private ticks = 0;
  private readonly saidAt = new Map<string, number>();
  private readonly heardAt = new Map<string, number>();

  constructor(private readonly services: NewcomerServices) {}

  /** The node says of itself where it listens, and with which epoch it would like to be a member: see the message. */
  receive(node: ClusterNode, wishes: number): void {
    const { view } = this.services;
    // Before a cluster is born, its members are those that discovery shows. An older wish may be of before it was a member.
    if (view.epoch > 0 && view.welcome(node) && wishes === view.epoch) {
      this.saidAt.set(node.nodeId, this.ticks);
    }
  }

  /** Those that may be taken in now. */
  get candidates(): readonly ClusterNode[] {
    const { view, directory, clusterId } = this.services;
    return view.guests.filter(({ nodeId }) => {
      const peer = directory.find(nodeId);
      const isOurs = peer?.clusterId === '' || peer?.clusterId === clusterId();
      return this.saysSo(nodeId) && peer?.hasIntroducedItself && directory.isUp(nodeId) && isOurs;
    });
  }

  /** Once a heartbeat interval, before the heartbeats leave. */
  tick(): void {
    const { view, directory } = this.services;
    this.ticks++;
    for (const { nodeId } of view.guests) {
      const heardAt = this.heardAt.get(nodeId) ?? this.ticks;
      this.heardAt.set(nodeId, directory.isUp(nodeId) ? this.ticks : heardAt);
      if (this.ticks - heardAt > SILENT_TICKS) {
        view.dismiss(nodeId);
      }
    }
    for (const nodeId of [...this.heardAt.keys(), ...this.saidAt.keys()]) {
      if (!view.guests.some((guest) => guest.nodeId === nodeId)) {
        this.heardAt.delete(nodeId);
        this.saidAt.delete(nodeId);
      }
    }
    this.introduce();
  }

  /** Whoever is not heard may know of an epoch in which this node is no member any more, and not listen to it. */
  private introduce(): void {
    const { view, directory, groups, hasLeft, hasLeftOver } = this.services;
    const isDone = hasLeft() && groups.size === 0 && !hasLeftOver();
    const isOutside = view.epoch === 0 || !view.isMember(view.selfId);
    const wishes = isOutside && !hasLeft() ? view.epoch : 0;
    // Who has left has to say so as long as others must be asked what it may give up, or take what it has.
    for (const { nodeId } of isDone ? [] : view.peers) {
      if (isOutside || !directory.isUp(nodeId)) {
        this.services.say(nodeId, { kind: 'guest', node: view.address(view.selfId), wishes });
      }
    }
  }

  private saysSo(nodeId: string): boolean {
    const saidAt = this.saidAt.get(nodeId);
    return saidAt !== undefined && this.ticks - saidAt <= SAID_TICKS;
  }
}
