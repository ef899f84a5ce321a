/** What happens around simulated nodes: to the links between them, to their clocks, and to the speed of their disks. */
import { CLOCK_RATE_ERROR_MAX } from '../../src/strong/read-leases.js';
import { holdsLease } from './lease-witness.js';
import { type TestCluster, type TestNode } from './sim-cluster.js';
import { type SimRandom } from './sim-random.js';

/** What left before a network was healed may be on its way for so long; disks take less to end what was begun. */
export const DELAY_MS_MAX = 4_000;
const CLOCK_OFFSET_MS_MAX = 200;
const HOUR_MS = 3_600_000;
/** The fastest, the slowest and the right clock find more than those between them. */
const RATE_ERRORS = [
  -CLOCK_RATE_ERROR_MAX,
  -CLOCK_RATE_ERROR_MAX,
  0,
  CLOCK_RATE_ERROR_MAX,
  CLOCK_RATE_ERROR_MAX,
];

export class WorldFaults {
  private wild: string | undefined;
  private readonly offsets = new Map<string, number>();

  constructor(
    protected readonly cluster: TestCluster,
    protected readonly random: SimRandom,
    /** Whether the clock of one node may be off by hours. */
    private readonly wildClocks: boolean,
  ) {}

  splitNetwork(): void {
    const { nodeIds } = this.cluster;
    const side = nodeIds.filter(() => this.random.chance(0.5));
    this.cluster.partition(
      side,
      nodeIds.filter((nodeId) => !side.includes(nodeId)),
    );
  }

  isolate(): void {
    this.cutOff(this.anyNode().nodeId);
  }

  /** As `isolate`, of one with a lease if there is one, and the others see their connections to the node end: they look for leaders at once, it does not know. */
  isolateByReset(): void {
    const holders = this.cluster.nodeIds.filter((nodeId) => holdsLease(this.cluster.node(nodeId)));
    const nodeId = holders.length > 0 ? this.random.pick(holders) : this.anyNode().nodeId;
    this.cutOff(nodeId);
    this.cluster.network.posts.reset(nodeId);
  }

  private cutOff(nodeId: string): void {
    this.cluster.partition(
      [nodeId],
      this.cluster.nodeIds.filter((other) => other !== nodeId),
    );
  }

  cutOneWay(): void {
    this.cluster.network.cut(this.anyNode().nodeId, this.anyNode().nodeId);
  }

  clog(): void {
    this.cluster.network.clog(this.anyNode().nodeId, this.anyNode().nodeId);
  }

  disturb(): void {
    const { random } = this;
    this.cluster.network.setFaults({
      dropRate: random.pick([0, 0.02, 0.2]),
      duplicateRate: random.pick([0, 0.1, 0.3]),
      overloadRate: random.pick([0, 0.05]),
      delay: { minMs: 0.2, meanMs: random.pick([0.5, 5, 40, 300]), maxMs: DELAY_MS_MAX },
    });
  }

  healNetwork(): void {
    this.cluster.heal();
  }

  protected anyNode(): TestNode {
    return this.cluster.node(this.random.pick(this.cluster.nodeIds));
  }

  moveClock(): void {
    const { random } = this;
    const node = this.anyNode();
    if (this.wildClocks && (this.wild ?? node.nodeId) === node.nodeId) {
      this.wild = node.nodeId;
      this.setOffset(node, random.pick([-2, -0.01, 0.01, 3]) * HOUR_MS);
    } else {
      this.setOffset(node, random.int(2 * CLOCK_OFFSET_MS_MAX) - CLOCK_OFFSET_MS_MAX);
    }
  }

  /** Monotonic time, and timers with it, go on faster or slower. */
  changeClockRate(): void {
    const { clock } = this.anyNode();
    clock?.setMonotonicRate(clockRate(this.random));
  }

  stallDisk(): void {
    const node = this.anyNode();
    node.folder.setFaults({ stalled: true });
    this.cluster.scheduler.after(200 + this.random.int(4_000), () =>
      node.folder.setFaults({ stalled: false }),
    );
  }

  slowDisk(): void {
    const { folder, disk } = this.anyNode();
    const syncDelay = { minMs: 0.1, meanMs: this.random.pick([0.1, 30, 400]), maxMs: 2_000 };
    folder.setFaults({
      syncDelay,
      writeDelay: { minMs: 0.01, meanMs: this.random.pick([0.02, 5]), maxMs: 300 },
    });
    disk.setFaults({
      syncDelay,
      readDelay: { minMs: 0.05, meanMs: this.random.pick([0.1, 40]), maxMs: 300 },
    });
  }

  protected setOffset({ nodeId, clock }: TestNode, offsetMs: number): void {
    if (clock !== undefined) {
      clock.jump(offsetMs - (this.offsets.get(nodeId) ?? 0));
      this.offsets.set(nodeId, offsetMs);
    }
  }
}

/** Of a monotonic clock, as wrong as leases bear at most. */
export function clockRate(random: SimRandom): number {
  const error = random.chance(0.7) ? random.pick(RATE_ERRORS) : random.between(-1, 1) * CLOCK_RATE_ERROR_MAX;
  return 1 + error;
}

/** Only what passes is got over by a process as it runs; after a failed sync another one is needed. */
export function isLostForGood({ storage }: TestNode): boolean {
  const failure = storage?.failure;
  return failure !== undefined && !/ENOSPC|EMFILE|ENFILE|EAGAIN/.test(textOf(failure));
}

/** The last bytes of the newest segment of its log are gone, though they were synced. */
export function cutTail({ folder }: TestNode, cutBytes: number): void {
  const copy = new Map(folder.copy());
  const last = [...copy.keys()]
    .filter((name) => name.endsWith('.seg'))
    .sort()
    .at(-1);
  const bytes = last === undefined ? undefined : copy.get(last);
  if (last !== undefined && bytes && bytes.length > 0) {
    copy.set(last, bytes.subarray(0, Math.max(0, bytes.length - cutBytes)));
    folder.putBack(copy);
  }
}

function textOf(error: Error): string {
  return `${error.message} ${error.cause instanceof Error ? textOf(error.cause) : ''}`;
}
