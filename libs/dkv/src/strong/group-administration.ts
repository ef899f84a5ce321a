/** The groups of this node as an operator sees them, and the wish that another node lead one of them. */
import { type ClusterView } from '../cluster/cluster-view.js';
import { type PeerDirectory } from '../cluster/peer-directory.js';
import { DkvError } from '../dkv.errors.js';
import { type GroupPosition } from '../model/cluster-report.js';
import { type GroupStatus, type TransferState } from '../model/peer-protocol.js';
import { nodeOf } from '../model/raft-messages.js';
import { summaryOf } from '../model/record-summary.js';
import { formatStrongVersion } from '../model/strong-version.js';
import { type KeyInGroup, type PeerStatus, type StrongGroups } from '../ports/strong-groups.js';
import { type StrongStore } from '../ports/strong-store.js';
import { type Quorums } from './quorums.js';
import { type StrongGroup } from './strong-group.js';
import { type StrongNode } from './strong-node.js';

export interface AdministrationServices {
  readonly view: ClusterView;
  readonly store: Pick<StrongStore, 'read' | 'peek'>;
  readonly node: StrongNode;
  readonly directory: PeerDirectory;
  readonly quorums: Quorums;
  readonly clusterId: () => string;
}

export class GroupAdministration implements StrongGroups {
  constructor(private readonly services: AdministrationServices) {}

  get clusterId(): string {
    return this.services.clusterId();
  }

  statusOf(nodeId: string): PeerStatus | undefined {
    const { directory } = this.services;
    const peer = directory.find(nodeId);
    if (!peer?.hasIntroducedItself || !directory.isUp(nodeId)) {
      return undefined;
    }
    const { isReady, led, clockOffsetMs } = peer;
    return { isReady, groupsLed: led.size, clockOffsetMs };
  }

  leaderOf(group: number): string {
    return this.services.node.leaders.leaderOf(group);
  }

  takesWrites(group: number): boolean {
    return this.services.quorums.takesWrites(group);
  }

  list(first: number, limit: number): readonly GroupStatus[] {
    return this.services.node.groups
      .partitions()
      .filter(({ number }) => number >= first)
      .sort((one, other) => one.number - other.number)
      .slice(0, limit)
      .map(groupStatusOf);
  }

  async look(number: number, namespace: string, key: string): Promise<KeyInGroup> {
    const { node, store, view } = this.services;
    const group = node.groups.get(number);
    if (!group) {
      throw new DkvError('DKV_NOT_READY', `Node ${view.selfId} has no copy of partition ${number}.`);
    }
    const read = await store.read(number, namespace, key);
    // What was written since it was read is in memory: so the record is the one of the position that is told with it.
    const known = store.peek(number, namespace, key);
    if (!group.isWhole) {
      const message = `The copy of partition ${number} on node ${view.selfId} is being fetched from the others.`;
      throw new DkvError('DKV_NOT_READY', message);
    }
    const record = known === undefined ? read : (known ?? undefined);
    return {
      group: positionOf(group),
      record:
        record &&
        summaryOf({
          namespace,
          key,
          version: formatStrongVersion(record.generation, record.index),
          value: record.value,
          expiresAtMs: record.expiresAtMs,
          isTombstone: false,
        }),
    };
  }

  transfer(number: number, nodeId: string): TransferState {
    const { view, node } = this.services;
    const group = node.groups.get(number);
    if (nodeId === view.selfId && group) {
      node.leadership.stay(number);
      return group.leads ? 'leads' : 'elsewhere';
    }
    if (group?.raft.role !== 'leader') {
      return 'elsewhere';
    }
    const obstacle = node.leadership.transferTo(group, nodeId);
    if (obstacle !== undefined) {
      throw new DkvError(
        'DKV_NOT_READY',
        `Node ${nodeId} cannot lead partition ${number} now: ${obstacle}. Name another of ${group.list.join(', ')}, or ` +
          'try again when it is ready.',
      );
    }
    node.wake(group);
    return 'begun';
  }
}

function groupStatusOf(group: StrongGroup): GroupStatus {
  const { voters, outgoing, learners } = group.knownConfiguration;
  const { leader } = group.raft;
  return {
    group: group.number,
    ...positionOf(group),
    leader: leader === undefined ? '' : nodeOf(leader),
    voters: voters.map(nodeOf),
    outgoing: outgoing.map(nodeOf),
    learners: learners.map(nodeOf),
  };
}

function positionOf({ raft, applied, generation }: StrongGroup): GroupPosition {
  const { term, lastIndex, commit } = raft;
  return { role: roleOf(raft), term, lastIndex, commit, applied, generation };
}

function roleOf({ role, isVoter }: StrongGroup['raft']): GroupPosition['role'] {
  if (role === 'leader') {
    return role;
  }
  if (!isVoter) {
    return 'learner';
  }
  return role === 'follower' ? role : 'candidate';
}
