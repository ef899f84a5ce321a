/** How this node comes to know the newest configuration: it hears of it, asks for it, keeps it, and goes by it. */
import { type ClusterView } from '../../cluster/cluster-view.js';
import { configurationFrom, noteConfiguration, textOf } from '../../cluster/cluster-configuration.js';
import { type ClusterConfiguration, CLUSTER_NAMESPACE, CONFIGURATION_GROUP } from '../../model/membership.js';
import { type NodeMessage } from '../../model/node-messages.js';
import { type LocalKvRepo } from '../../ports/local-kv-repo.js';
import { type Logger } from '../../ports/logger.js';
import { type StrongStore } from '../../ports/strong-store.js';
import { type GroupList } from '../group-list.js';
import { CONFIGURATION_KEY, configurationOfRecord } from './configuration-record.js';

/** Ticks after which a configuration that was asked for, and did not come, may be asked for again. */
const ASK_AGAIN_TICKS = 5;
/** Under which name a folder keeps that its node gave all away and is to stay out. */
const LEFT_META = 'left';

interface AdoptionServices {
  readonly view: ClusterView;
  readonly groups: GroupList;
  readonly store: Pick<StrongStore, 'read'>;
  readonly meta: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;
  readonly logger: Logger;
  /** '' until this node belongs to one. */
  readonly clusterId: () => string;
  say(nodeId: string, message: NodeMessage): void;
}

/**
 * The configuration is agreed on by the group that keeps it. Everybody else goes by what the others tell: heartbeats carry the
 * epoch, so whoever knows a newer one is asked for it. What is gone by is kept durably first: a heartbeat that names an epoch
 * stays true over a crash.
 */
export class Adoption {
  private isBusy = false;
  /** It was said that the newest could not be kept. */
  private isFailing = false;
  private asked = 0;
  /** Up to where the own copy of the record was looked at: generation and applied index of its group. */
  private lookedAt = '';
  private left = false;

  constructor(private readonly services: AdoptionServices) {}

  /** Before anything is heard. */
  async open(): Promise<void> {
    this.left = (await this.services.meta.getMeta(LEFT_META)) === JSON.stringify(true);
  }

  /** Whether this node gave away all that it had, as it was asked to, and is a member no more. */
  get hasLeft(): boolean {
    return this.left;
  }

  /** A peer knows a configuration of that epoch. */
  heard(nodeId: string, epoch: number): void {
    const { view } = this.services;
    view.heardOf = Math.max(view.heardOf, epoch);
    if (epoch > view.epoch && this.asked === 0) {
      this.asked = ASK_AGAIN_TICKS;
      this.services.say(nodeId, { kind: 'askConfiguration' });
    }
  }

  /** A peer asks for what is known here. */
  tell(nodeId: string): void {
    const { view } = this.services;
    if (view.epoch > 0) {
      this.services.say(nodeId, { kind: 'configuration', text: textOf(view.agreed) });
    }
  }

  /** What a peer knows. */
  receive(nodeId: string, text: string): void {
    let told: ClusterConfiguration;
    try {
      told = configurationFrom(text);
    } catch (error) {
      this.services.logger.warn(
        `The configuration that node ${nodeId} sent cannot be read: ${(error as Error).message}`,
      );
      return;
    }
    this.asked = 0;
    this.offer(told);
  }

  /** Once a heartbeat interval: members of the group that keeps the configuration look at their own copy. */
  tick(): void {
    this.asked = Math.max(0, this.asked - 1);
    const group = this.services.groups.get(CONFIGURATION_GROUP);
    const position = group?.isWhole ? `${group.generation} ${group.applied}` : '';
    if (position === '' || position === this.lookedAt || this.isBusy) {
      return;
    }
    this.busy(async () => {
      const record = await this.services.store.read(
        CONFIGURATION_GROUP,
        CLUSTER_NAMESPACE,
        CONFIGURATION_KEY,
      );
      this.lookedAt = position;
      return record && configurationOfRecord(record);
    });
  }

  /** Goes by it, where it is of this node's cluster and newer than what this node knows. */
  offer(configuration: ClusterConfiguration): void {
    if (!this.isBusy) {
      this.busy(async () => configuration);
    }
  }

  private busy(find: () => Promise<ClusterConfiguration | undefined>): void {
    this.isBusy = true;
    find()
      .then((found) => found && this.adopt(found))
      .then(
        () => (this.isFailing = false),
        (error: Error) => this.failed(error),
      )
      .finally(() => (this.isBusy = false));
  }

  /** Looked at again by the next tick. */
  private failed(error: Error): void {
    this.lookedAt = '';
    if (!this.isFailing) {
      this.isFailing = true;
      this.services.logger.error(
        `The cluster's configuration is not kept yet, which is tried again: ${error.message}`,
      );
    }
  }

  private async adopt(configuration: ClusterConfiguration): Promise<void> {
    const { view, meta, clusterId } = this.services;
    const { agreed, selfId } = view;
    // What was adopted binds at once: the folder notes only some time later to which cluster it belongs.
    const ours = clusterId() || agreed.clusterId;
    const isOurs = ours === '' || ours === configuration.clusterId;
    const isAlike = configuration.partitions === agreed.partitions;
    if (configuration.epoch <= view.epoch || !isOurs || !isAlike) {
      return;
    }
    const isMember = configuration.members.some(({ nodeId }) => nodeId === selfId);
    const wasLeaving = agreed.members.some(({ nodeId, isLeaving }) => nodeId === selfId && isLeaving);
    const left = !isMember && (this.left || wasLeaving);
    if (left !== this.left) {
      await meta.putMeta(LEFT_META, JSON.stringify(left));
      this.left = left;
    }
    await noteConfiguration(meta, configuration);
    view.adopt(configuration);
  }
}
