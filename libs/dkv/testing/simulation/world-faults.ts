/** What happens around simulated nodes: to the links between them, to their clocks, and to the speed of their disks. */
import { type TestCluster, type TestNode } from './sim-cluster.js';
import { type SimRandom } from './sim-random.js';

/** What left before a network was healed may be on its way for so long; disks take less to end what was begun. */
export const DELAY_MS_MAX = 4_000;
const CLOCK_OFFSET_MS_MAX = 200;
const HOUR_MS = 3_600_000;

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
    const { nodeId } = this.anyNode();
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
