/** The members of the cluster as an operator changes them, from any node. */
import { withChanges } from '../../cluster/configuration-changes.js';
import { type ClusterView } from '../../cluster/cluster-view.js';
import { noRoomFor } from '../../cluster/agreed-namespaces.js';
import { DkvError } from '../../dkv.errors.js';
import {
  type AgreedNamespace,
  type ClusterConfiguration,
  CLUSTER_NAMESPACE,
  CONFIGURATION_GROUP,
  type MembershipChange,
} from '../../model/membership.js';
import { type ClusterNode } from '../../model/node.js';
import { type Clock } from '../../ports/clock.js';
import { type CountedMoves, type Membership } from '../../ports/membership.js';
import { type StrongCalls } from '../strong-calls.js';
import { REPLICAS_MAX } from '../../hashring/ring-options.js';
import { CONFIGURATION_KEY, configurationOfRecord, putConfiguration } from './configuration-record.js';
import { type Newcomers } from './newcomers.js';

/** The planner writes as well: it is seldom that one is beaten twice. */
const ATTEMPTS_MAX = 10;

export interface MembershipServices {
  readonly view: ClusterView;
  readonly calls: Pick<StrongCalls, 'read' | 'write'>;
  readonly newcomers: Newcomers;
  readonly progress: CountedMoves;
  readonly clock: Clock;
  /** It is agreed on. */
  readonly agreed: (configuration: ClusterConfiguration) => void;
  /** Why the group that keeps the configuration takes no writes; undefined where it does. */
  readonly refusal: () => DkvError | undefined;
}

export class MembershipChanges implements Membership {
  constructor(private readonly services: MembershipServices) {}

  get configuration(): ClusterConfiguration {
    return this.services.view.agreed;
  }

  get candidates(): readonly ClusterNode[] {
    return this.services.newcomers.candidates;
  }

  get refusal(): DkvError | undefined {
    return this.services.refusal();
  }

  get progress(): CountedMoves {
    return this.services.progress;
  }

  async change(changes: readonly MembershipChange[], timeoutMs: number): Promise<number> {
    const { calls } = this.services;
    const endsAtMs = this.services.clock.monotonic() + timeoutMs;
    const leftMs = () => Math.max(1, endsAtMs - this.services.clock.monotonic());
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const read = { level: 'linearizable', timeoutMs: leftMs() } as const;
      const record = await calls.read(CONFIGURATION_GROUP, CLUSTER_NAMESPACE, CONFIGURATION_KEY, read);
      if (!record) {
        throw new DkvError(
          'DKV_NOT_READY',
          'The cluster has not agreed on its first configuration yet. Try again in a moment.',
        );
      }
      const current = configurationOfRecord(record);
      this.assertPossible(current, changes);
      const next = withChanges(current, changes);
      if (!next) {
        this.services.agreed(current);
        return current.epoch;
      }
      if (await putConfiguration(calls, next, record.version, leftMs())) {
        // So that whoever asks this node next sees what it was told.
        this.services.agreed(next);
        return next.epoch;
      }
    }
    throw new DkvError(
      'DKV_CONFLICT',
      `The configuration of the cluster was changed by others ${ATTEMPTS_MAX} times in a row. Try again.`,
    );
  }

  /** @throws DkvError `DKV_INVALID_ARGUMENT` */
  private assertPossible(configuration: ClusterConfiguration, changes: readonly MembershipChange[]): void {
    const { members } = configuration;
    const staying = new Set(members.filter(({ isLeaving }) => !isLeaving).map(({ nodeId }) => nodeId));
    for (const change of changes) {
      if (change.kind === 'namespace') {
        assertRoom(configuration, change.namespace);
        continue;
      }
      if (change.kind === 'replicas') {
        assertCopies(configuration, change);
        continue;
      }
      if (change.kind === 'preferredZones') {
        continue;
      }
      const nodeId = change.kind === 'join' ? change.node.nodeId : change.nodeId;
      if (change.kind === 'join') {
        staying.add(nodeId);
        continue;
      }
      if (!members.some((member) => member.nodeId === nodeId)) {
        throw new DkvError(
          'DKV_INVALID_ARGUMENT',
          `Node ${nodeId} is no member of this cluster: its members are ${members.map((member) => member.nodeId).join(', ')}.`,
        );
      }
      if (change.kind === 'leave') {
        staying.delete(nodeId);
      } else if (change.kind === 'stay') {
        staying.add(nodeId);
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

/** @throws DkvError `DKV_INVALID_OPTIONS` */
function assertRoom({ namespaces, partitions }: ClusterConfiguration, added: AgreedNamespace): void {
  const isKnown = namespaces.some(({ name }) => name === added.name);
  const refusal = isKnown ? undefined : noRoomFor(added, namespaces.length, partitions);
  if (refusal) {
    throw refusal;
  }
}

/** @throws DkvError `DKV_INVALID_ARGUMENT` */
function assertCopies(
  { classes }: ClusterConfiguration,
  { placement, replicas }: Extract<MembershipChange, { kind: 'replicas' }>,
): void {
  if (!Number.isInteger(replicas) || replicas < 0 || replicas > REPLICAS_MAX) {
    throw new DkvError(
      'DKV_INVALID_ARGUMENT',
      `replicas is ${replicas}: give a whole number from 0 to ${REPLICAS_MAX}, of copies besides the holder's.`,
    );
  }
  if (!classes.some(({ number }) => number === placement)) {
    throw new DkvError('DKV_INVALID_ARGUMENT', `This cluster has no partitions of class ${placement}.`);
  }
}
