/** Breaks a test cluster at random times, never more than the store promises to survive, and mends it in the end. */
import { isDkvError } from '../../src/dkv.errors.js';
import { type TestCluster, type TestNode } from './sim-cluster.js';
import { type SimRandom } from './sim-random.js';
import { isLostForGood } from './world-faults.js';

export interface FaultInjectorOptions {
  /** A crash may take unsynced writes along: only where writes are synced before they are acknowledged. */
  readonly losesPower: boolean;
  /** Whether one node may lose its disk for good, once: where the other nodes of each key suffice without it. */
  readonly losesDisk?: boolean;
  /** No more than so many faults. Default: as many as come. */
  readonly faultsMax?: number;
}

type Fault = (injector: FaultInjector) => void;

/** Wall clocks are moved about within this of the true time: two of them stay within the tolerated offset. */
const CLOCK_OFFSET_MS_MAX = 200;

export class FaultInjector {
  /** Faults so far. */
  count = 0;
  private running = false;
  private lostDisk = false;
  private readonly offsets = new Map<string, number>();
  private readonly restarts = new Set<Promise<void>>();

  constructor(
    private readonly cluster: TestCluster,
    private readonly random: SimRandom,
    private readonly options: FaultInjectorOptions,
  ) {}

  begin(): void {
    this.running = true;
    void this.strike();
  }

  end(): void {
    this.running = false;
  }

  /** Heals the network and the disks, and starts whoever is down or has stopped writing. */
  async repairAll(): Promise<void> {
    this.cluster.heal();
    await Promise.all(this.restarts);
    for (const nodeId of this.cluster.nodeIds) {
      const node = this.cluster.node(nodeId);
      node.disk.heal();
      node.folder.heal();
      // One whose start is under way may still come to know that its disk failed while it began.
      if (node.alive && (isLostForGood(node) || !node.serves)) {
        node.kill();
      }
      if (!node.alive) {
        await node.start();
      }
    }
  }

  private async strike(): Promise<void> {
    const { scheduler } = this.cluster;
    while (this.running) {
      await scheduler.sleep(100 + this.random.int(2_000));
      if (this.running && this.count < (this.options.faultsMax ?? Infinity)) {
        this.count++;
        this.random.pick(FAULTS)(this);
      }
    }
  }

  kill(): void {
    const node = this.cluster.node(this.anyNode());
    if (node.alive) {
      node.kill();
      if (this.options.losesPower && this.random.chance(0.5)) {
        node.losePower();
      }
      this.restartLater(node.nodeId);
    }
  }

  /** One node comes back with an empty disk, and nobody but those who lack its writes to refill it from. */
  loseDisk(): void {
    const node = this.cluster.node(this.anyNode());
    if (this.options.losesDisk && !this.lostDisk && node.alive) {
      this.lostDisk = true;
      this.isolate();
      node.kill();
      node.loseDisk();
      node.disk.heal();
      node.folder.heal();
      void this.start(node);
    }
  }

  /**
   * The log of the node, or its store engine, gets EIO or ENOSPC. It stops writing: after EIO until it is started again, on a
   * disk that works, else until there is room.
   */
  failDisk(): void {
    const node = this.cluster.node(this.anyNode());
    if (node.alive) {
      const part = this.random.pick([node.folder, node.disk]);
      part.setFaults(this.random.pick([{ writeErrorRate: 1 }, { syncErrorRate: 1 }, { capacityBytes: 0 }]));
      this.restartLater(node.nodeId);
    }
  }

  splitNetwork(): void {
    const { nodeIds } = this.cluster;
    const side = nodeIds.filter(() => this.random.chance(0.5));
    this.cluster.partition(
      side,
      nodeIds.filter((nodeId) => !side.includes(nodeId)),
    );
  }

  /** One node alone with its callers: what it has accepted is left behind when the others go on. */
  isolate(): void {
    const node = this.anyNode();
    this.cluster.partition(
      [node],
      this.cluster.nodeIds.filter((nodeId) => nodeId !== node),
    );
  }

  cutOneWay(): void {
    this.cluster.network.cut(this.anyNode(), this.anyNode());
  }

  clog(): void {
    this.cluster.network.clog(this.anyNode(), this.anyNode());
  }

  disturb(): void {
    this.cluster.network.setFaults({
      dropRate: this.random.pick([0, 0.02, 0.2]),
      duplicateRate: this.random.pick([0, 0.1, 0.3]),
      overloadRate: this.random.pick([0, 0.05]),
      delay: { minMs: 0.2, meanMs: this.random.pick([0.5, 20, 300, 1_200]), maxMs: 8_000 },
    });
  }

  healNetwork(): void {
    this.cluster.heal();
  }

  moveClock(): void {
    const node = this.cluster.node(this.anyNode());
    const offset = this.random.int(2 * CLOCK_OFFSET_MS_MAX) - CLOCK_OFFSET_MS_MAX;
    node.clock.jump(offset - (this.offsets.get(node.nodeId) ?? 0));
    this.offsets.set(node.nodeId, offset);
  }

  slowDisk(): void {
    const { folder, disk } = this.cluster.node(this.anyNode());
    const syncDelay = { minMs: 0.1, meanMs: this.random.pick([0.1, 30, 400]), maxMs: 2_000 };
    folder.setFaults({ syncDelay });
    disk.setFaults({ syncDelay });
  }

  private restartLater(nodeId: string): void {
    const restart = this.restart(nodeId);
    this.restarts.add(restart);
    void restart.finally(() => this.restarts.delete(restart));
  }

  private async restart(nodeId: string): Promise<void> {
    await this.cluster.scheduler.sleep(50 + this.random.int(8_000));
    const node = this.cluster.node(nodeId);
    node.disk.heal();
    node.folder.heal();
    if (node.alive && isLostForGood(node)) {
      node.kill();
    }
    if (!node.alive) {
      // A start that the next kill interrupts never ends: nobody may wait for it.
      void this.start(node);
    }
  }

  /** A node whose disk fails while it starts gives up, and is down until the next restart. */
  private async start(node: TestNode): Promise<void> {
    const started = node.start();
    const { incarnation } = node;
    try {
      await started;
    } catch (error) {
      if (!isDkvError(error)) {
        throw error;
      }
      if (node.incarnation === incarnation) {
        node.kill();
      }
    }
  }

  private anyNode(): string {
    return this.random.pick(this.cluster.nodeIds);
  }
}

/** Healing stands more than once, so that the store is not cut off for good. */
const FAULTS: readonly Fault[] = [
  (injector) => injector.kill(),
  (injector) => injector.splitNetwork(),
  (injector) => injector.isolate(),
  (injector) => injector.isolate(),
  (injector) => injector.cutOneWay(),
  (injector) => injector.clog(),
  (injector) => injector.disturb(),
  (injector) => injector.loseDisk(),
  (injector) => injector.loseDisk(),
  (injector) => injector.failDisk(),
  (injector) => injector.moveClock(),
  (injector) => injector.slowDisk(),
  (injector) => injector.healNetwork(),
  (injector) => injector.healNetwork(),
];
