/** The members of a cluster in the memory of one process, changed by the functions of the real one; what moves is told by the test. */
import { withChanges, withMoved, withMoves, withoutLeft } from '../src/cluster/configuration-changes.js';
import { DkvError } from '../src/dkv.errors.js';
import {
  type ClusterConfiguration,
  type MemberChange,
  type MembershipChange,
} from '../src/model/membership.js';
import { type ClusterNode } from '../src/model/node.js';
import { type CountedMoves, type Membership } from '../src/ports/membership.js';

/** Nothing was counted. */
export const NO_PROGRESS: CountedMoves = Object.freeze({
  whole: { partitionsDone: 0, partitionsTotal: 0, bytesCopied: 0, bytesTotal: 0, bytesPerSecond: 0 },
  of: () => ({ bytesCopied: 0, bytesToCopy: 0 }),
});

export class FakeMembership implements Membership {
  candidates: ClusterNode[] = [];
  /** Every change that was asked for, with the time that it was given. */
  readonly asked: [changes: readonly MembershipChange[], timeoutMs: number][] = [];
  /** Every change is refused with it. */
  failure: Error | undefined;
  refusal: DkvError | undefined;
  progress: CountedMoves = NO_PROGRESS;

  constructor(public configuration: ClusterConfiguration) {}

  async change(changes: readonly MembershipChange[], timeoutMs: number): Promise<number> {
    this.asked.push([changes, timeoutMs]);
    await Promise.resolve();
    if (this.failure) {
      throw this.failure;
    }
    changes.filter(isOfMember).forEach((change) => this.assertKnown(change));
    this.assertSomebodyStays(changes);
    const next = withChanges(this.configuration, changes);
    if (next) {
      this.configuration = next;
      this.candidates = this.candidates.filter(({ nodeId }) => !isAmong(next.members, nodeId));
    }
    return this.configuration.epoch;
  }

  /** More begin to move, until so many do. */
  begin(movesMax: number): void {
    this.configuration = withMoves(this.configuration, movesMax) ?? this.configuration;
  }

  /** All that move have arrived. */
  arrive(): void {
    const places = this.configuration.moving.map(({ place }) => place);
    const moved = withMoved(this.configuration, places) ?? this.configuration;
    this.configuration = withoutLeft(moved, () => true) ?? moved;
  }

  private assertKnown(change: MemberChange): void {
    const isJoining = change.kind === 'join';
    const nodeId = nodeIdOf(change);
    if (!isAmong(isJoining ? this.candidates : this.configuration.members, nodeId)) {
      const ids = this.configuration.members.map((member) => member.nodeId).join(', ');
      const message = isJoining ? 'is no candidate' : `is no member of this cluster: its members are ${ids}`;
      throw new DkvError('DKV_INVALID_ARGUMENT', `Node ${nodeId} ${message}.`);
    }
  }

  private assertSomebodyStays(changes: readonly MembershipChange[]): void {
    const staying = new Set(
      this.configuration.members.filter(({ isLeaving }) => !isLeaving).map(({ nodeId }) => nodeId),
    );
    for (const change of changes) {
      if (change.kind === 'leave') {
        staying.delete(change.nodeId);
      } else if (change.kind === 'join' || change.kind === 'stay') {
        staying.add(nodeIdOf(change));
      }
    }
    if (staying.size === 0) {
      throw new DkvError(
        'DKV_INVALID_ARGUMENT',
        'No member would be left that could hold the data. Take another node in first.',
      );
    }
  }
}

function isOfMember(change: MembershipChange): change is MemberChange {
  return change.kind !== 'replicas' && change.kind !== 'namespace' && change.kind !== 'preferredZones';
}

function nodeIdOf(change: MemberChange): string {
  return change.kind === 'join' ? change.node.nodeId : change.nodeId;
}

function isAmong(nodes: readonly ClusterNode[], nodeId: string): boolean {
  return nodes.some((node) => node.nodeId === nodeId);
}
