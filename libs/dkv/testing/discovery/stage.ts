/** A stage for the conformance suite of discovery: a stand-in, the processes that ask it, and a clock. */
import { type DiscoveryWorld } from '../../src/discovery/discovery-world.js';
import { type ClusterNode } from '../../src/model/node.js';
import { type Discovery } from '../../src/ports/discovery.js';
import { CapturedLog } from '../captured-log.js';
import { type DiscoveryStage } from '../discovery-conformance.js';
import { ManualClock } from '../manual-clock.js';
import { microtasks } from '../microtasks.js';
import { type ServiceFailure, type StandIn, type StandInClient, StandInNetwork } from './stand-in.js';

const STEP_MS = 100;
/** Middle of the range: what is jittered is as long as it is told. */
export const STEADY = { next: () => 0.5 };

/** Steps of virtual time, and after each what waits for promises only. */
export async function elapse(clock: ManualClock, ms: number): Promise<void> {
  for (let elapsed = 0; elapsed < ms; elapsed += STEP_MS) {
    await microtasks();
    clock.advance(STEP_MS);
  }
  await microtasks();
}

export interface RegistryParts {
  readonly standIn: StandIn;
  /** In the process of a node, by its client and world. */
  make(world: Partial<DiscoveryWorld>, client: StandInClient): Discovery;
  restart(): void;
  /** Timers of the stand-in itself. */
  readonly timers: () => number;
}

interface Process {
  readonly client: StandInClient;
  readonly discovery: Discovery;
}

/** Of a service with which nodes register. */
export class RegistryStage implements DiscoveryStage {
  private readonly log = new CapturedLog();
  private readonly parts: RegistryParts;
  private readonly network: StandInNetwork;
  private readonly processes = new Map<string, Process>();

  constructor(
    partsOf: (clock: ManualClock) => RegistryParts,
    private readonly clock = new ManualClock(),
  ) {
    this.parts = partsOf(clock);
    this.network = new StandInNetwork(this.parts.standIn, clock);
  }

  get warnings(): readonly string[] {
    return this.log.warnings;
  }

  get pendingTimers(): number {
    return this.clock.pendingTimers - this.parts.timers();
  }

  discoveryOf(): Discovery {
    return this.start(this.log).discovery;
  }

  async join(node: ClusterNode): Promise<void> {
    const process = this.start(new CapturedLog());
    this.processes.set(node.nodeId, process);
    await process.discovery.register(node, () => undefined);
  }

  async leave(nodeId: string): Promise<void> {
    await this.processes.get(nodeId)!.discovery.deregister();
  }

  async crash(nodeId: string): Promise<void> {
    const { client, discovery } = this.processes.get(nodeId)!;
    client.cut();
    // Nothing of it is heard: this only ends its timers.
    await discovery.deregister().catch(() => undefined);
  }

  fail(failure: string | undefined): void {
    this.network.fail(failure as ServiceFailure | undefined);
  }

  async restart(): Promise<void> {
    this.parts.restart();
    this.network.disconnect();
  }

  elapse(ms: number): Promise<void> {
    return elapse(this.clock, ms);
  }

  private start(logger: CapturedLog): Process {
    const client = this.network.client();
    const { clock } = this;
    const world = { clock, random: STEADY, logger, http: client };
    return { client, discovery: this.parts.make(world, client) };
  }
}

export interface ObserverParts {
  place(nodes: readonly ClusterNode[]): void;
  fail(failure: string | undefined): void;
  make(world: Pick<DiscoveryWorld, 'clock' | 'random' | 'logger'>): Discovery;
  restart(): void;
}

/** Of a service that is told of nodes by others than these. */
export class ObserverStage implements DiscoveryStage {
  private readonly log = new CapturedLog();
  private readonly parts: ObserverParts;
  private readonly nodes = new Map<string, ClusterNode>();

  constructor(
    partsOf: (clock: ManualClock) => ObserverParts,
    private readonly clock = new ManualClock(),
  ) {
    this.parts = partsOf(clock);
  }

  get warnings(): readonly string[] {
    return this.log.warnings;
  }

  get pendingTimers(): number {
    return this.clock.pendingTimers;
  }

  discoveryOf(): Discovery {
    return this.parts.make({ clock: this.clock, random: STEADY, logger: this.log });
  }

  async join(node: ClusterNode): Promise<void> {
    this.nodes.set(node.nodeId, node);
    this.parts.place([...this.nodes.values()]);
  }

  async leave(nodeId: string): Promise<void> {
    this.nodes.delete(nodeId);
    this.parts.place([...this.nodes.values()]);
  }

  crash(nodeId: string): Promise<void> {
    return this.leave(nodeId);
  }

  fail(failure: string | undefined): void {
    this.parts.fail(failure);
  }

  async restart(): Promise<void> {
    this.parts.restart();
  }

  elapse(ms: number): Promise<void> {
    return elapse(this.clock, ms);
  }
}
