/** Starts and stops the node with its host: listens, joins in the background, leaves in the right order. */
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { noteAddresses } from './cluster/cluster-configuration.js';
import { ClusterView } from './cluster/cluster-view.js';
import { withNamespaces } from './cluster/configuration-changes.js';
import { Locks } from './client/locks.js';
import { type NodeStanding, standingOf } from './client/node-status.js';
import { isDkvError } from './dkv.errors.js';
import { type DkvOptions } from './dkv.options.js';
import { type ClusterNode } from './model/node.js';
import { keysIn } from './model/usage.js';
import { DKV_OPTIONS } from './dkv.tokens.js';
import { DKV_VERSION } from './dkv.version.js';
import { Clock } from './ports/clock.js';
import { Controller } from './ports/controller.js';
import { Discovery } from './ports/discovery.js';
import { Logger } from './ports/logger.js';
import { RemoteKvRepo } from './ports/remote-kv-repo.js';
import { Processor } from './processor/processor.js';
import { NodeStorage } from './storage/node-storage.js';
import { madeOf, withOwn } from './providers/cluster-at-start.js';
import { firstNodesOf } from './providers/first-nodes.js';
import { NamespaceRegistry } from './providers/namespace-registry.js';

/** Locks that this process holds are given back within this time; what is left then expires. */
const RELEASE_MS = 3_000;
/** Between two attempts to announce this node. */
const ANNOUNCE_EVERY_MS = 5_000;
/** Peers that the line at the start names. */
const NAMED_MAX = 8;

@Injectable()
export class DkvLifecycle
  implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown
{
  private isLeaving = false;
  private isUnannounced = false;

  constructor(
    @Inject(Processor) private readonly processor: Processor,
    @Inject(Controller) private readonly controller: Controller,
    @Inject(RemoteKvRepo) private readonly remote: RemoteKvRepo,
    @Inject(NodeStorage) private readonly storage: NodeStorage,
    @Inject(Discovery) private readonly discovery: Discovery,
    @Inject(ClusterView) private readonly view: ClusterView,
    @Inject(Logger) private readonly logger: Logger,
    @Inject(Locks) private readonly locks: Locks,
    @Inject(NamespaceRegistry) private readonly namespaces: NamespaceRegistry,
    @Inject(DKV_OPTIONS) private readonly options: DkvOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /** Whether the host has begun to shut down. */
  get leaving(): boolean {
    return this.isLeaving;
  }

  /** What this node and its partitions can do now. */
  get standing(): NodeStanding {
    return standingOf(this.view, this.processor);
  }

  get unreadyReason(): string {
    return this.processor.unreadyReason ?? 'starting';
  }

  /** What is amiss though this node is ready; undefined when all is well. */
  get degradedReason(): string | undefined {
    const unannounced = this.isUnannounced ? 'discovery does not know this node yet' : undefined;
    const reasons = [this.processor.degradedReason, unannounced ?? this.discovery.trouble];
    return reasons.filter((reason) => reason !== undefined).join('; ') || undefined;
  }

  /** Modules are initialised dependencies first, so services may use the store in their own onModuleInit. */
  async onModuleInit(): Promise<void> {
    const { view, processor, options } = this;
    this.namespaces.warnOfUndeclared();
    const started = processor.start();
    try {
      this.logger.log(this.startLine((await this.controller.start()).port));
      await this.announce();
    } catch (error) {
      await this.close();
      throw error;
    }
    if (view.peers.length === 0 && !firstNodesOf(options).isProvisional) {
      await started;
      return;
    }
    // Peers may come up later than this node: joining goes on while the host starts.
    started.catch((error: Error) =>
      this.logger.error(`Node ${view.selfId} could not join: ${error.message}`),
    );
    this.sayWhenReady();
    // Until then, writes that need another node would fail where all have just started.
    await processor.takesForwarded();
  }

  /** The host still answers for a while: say that it is leaving, so that traffic goes elsewhere. */
  onModuleDestroy(): void {
    this.isLeaving = true;
  }

  async beforeApplicationShutdown(): Promise<void> {
    try {
      await this.discovery.deregister();
    } catch (error) {
      this.logger.warn(`This node could not be taken out of discovery: ${(error as Error).message}`);
    }
  }

  /** The host's own listeners are closed by now: nothing new comes, what is under way ends, then the store closes. */
  async onApplicationShutdown(): Promise<void> {
    this.isLeaving = true;
    await this.close();
    this.logger.log(`Node ${this.view.selfId} has stopped; its data is in place for the next start.`);
  }

  /** Where discovery cannot be reached, the node works with the addresses that it knows, and tries again. */
  private async announce(): Promise<void> {
    const { view, discovery, clock, logger } = this;
    try {
      await discovery.register(view.address(view.selfId), (nodes) => this.relocate(nodes));
      this.isUnannounced = false;
    } catch (error) {
      if (!isDkvError(error, 'DKV_DISCOVERY_FAILED')) {
        throw error;
      }
      if (!this.isUnannounced) {
        this.isUnannounced = true;
        logger.warn(`This node is not announced yet, which is tried again: ${error.message}`);
      }
      clock.schedule(ANNOUNCE_EVERY_MS, () => {
        if (!this.isLeaving) {
          this.announce().catch((cause: Error) =>
            logger.error(`This node is not announced: ${cause.message}`),
          );
        }
      });
    }
  }

  /** Before there is a cluster, those that discovery shows are the ones that it may be made of. Noted too, for a start without it. */
  private relocate(nodes: readonly ClusterNode[]): void {
    const { view, storage, logger, options } = this;
    if (view.epoch === 0 && !firstNodesOf(options).hasFixedNodes) {
      const shown = withOwn(nodes, view.address(view.selfId));
      if (!isSameSet(shown, view.agreed.members)) {
        view.adopt(withNamespaces(madeOf(shown, options, view.hashFunc), view.agreed.namespaces));
      }
    }
    view.relocate(nodes);
    noteAddresses(storage.local, nodes).catch((error: Error) =>
      logger.warn(`The addresses of the nodes were not noted: ${error.message}`),
    );
  }

  /** What an operator asks of a node first. */
  private startLine(port: number): string {
    const { view, storage, options } = this;
    const { engine, usage } = storage.metrics();
    const where = storage.isVolatile ? 'nothing on disk' : `${keysIn(usage)} keys in ${options.dataDir}`;
    const others = view.peers.map(({ nodeId }) => nodeId);
    const more = others.length > NAMED_MAX ? ` and ${others.length - NAMED_MAX} more` : '';
    const peers = others.length === 0 ? 'no peers' : `peers ${others.slice(0, NAMED_MAX).join(', ')}${more}`;
    const cluster = port === 0 ? peers : `peer port ${port}, ${peers}`;
    return (
      `Node ${view.selfId} starts: nestjs-dkv ${DKV_VERSION} on Node.js ${process.versions.node}, ` +
      `engine ${engine}, ${where}, ${cluster}.`
    );
  }

  private sayWhenReady(): void {
    const { processor, view, clock, options } = this;
    if (processor.ready) {
      this.logger.log(
        `Node ${view.selfId} is ready, ${processor.nodesSeen} of ${view.members.length} nodes seen.`,
      );
    } else if (!this.isLeaving) {
      clock.schedule(options.heartbeatIntervalMs, () => this.sayWhenReady());
    }
  }

  /** Whatever fails on the way, the store is closed at the end. */
  private async close(): Promise<void> {
    try {
      await this.locks.releaseAll(RELEASE_MS);
      await this.processor.stop();
      await this.controller.stop();
      await this.remote.close();
    } finally {
      await this.storage.close();
    }
  }
}

function isSameSet(some: readonly ClusterNode[], others: readonly ClusterNode[]): boolean {
  const texts = new Set(some.map(textOf));
  return some.length === others.length && others.every((node) => texts.has(textOf(node)));
}

function textOf({ nodeId, host, port, weight, zone }: ClusterNode): string {
  return JSON.stringify([nodeId, host, port, weight, zone]);
}
