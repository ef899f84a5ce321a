/** Starts and stops the node with its host: listens, joins in the background, leaves in the right order. */
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { ClusterView } from './cluster/cluster-view.js';
import { Locks } from './client/locks.js';
import { Controller } from './ports/controller.js';
import { Discovery } from './ports/discovery.js';
import { Logger } from './ports/logger.js';
import { RemoteKvRepo } from './ports/remote-kv-repo.js';
import { Processor } from './processor/processor.js';
import { NodeStorage } from './storage/node-storage.js';
import { NamespaceRegistry } from './providers/namespace-registry.js';

/** Locks that this process holds are given back within this time; what is left then expires. */
const RELEASE_MS = 3_000;

@Injectable()
export class DkvLifecycle
  implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown
{
  private isLeaving = false;

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
  ) {}

  /** Whether the host has begun to shut down. */
  get leaving(): boolean {
    return this.isLeaving;
  }

  get unreadyReason(): string {
    return this.processor.unreadyReason ?? 'starting';
  }

  /** What is amiss though this node is ready; undefined when all is well. */
  get degradedReason(): string | undefined {
    return this.processor.degradedReason;
  }

  /** Modules are initialised dependencies first, so services may use the store in their own onModuleInit. */
  async onModuleInit(): Promise<void> {
    const { view, processor } = this;
    await this.namespaces.warnOfUndeclared();
    const started = processor.start();
    try {
      await this.controller.start();
      await this.discovery.register(view.address(view.selfId), (nodes) => view.relocate(nodes));
    } catch (error) {
      await this.close();
      throw error;
    }
    if (view.peers.length === 0) {
      await started;
      return;
    }
    // Peers may come up later than this node: joining goes on while the host starts.
    started.then(
      (ready) => ready && this.logger.log(`Node ${view.selfId} has caught up and is ready.`),
      (error: Error) => this.logger.error(`Node ${view.selfId} could not join: ${error.message}`),
    );
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
