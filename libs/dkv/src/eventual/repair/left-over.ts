/** Records of partitions that are on other nodes now: handed over to all of them before they are erased here. */
import { type CoreContext } from '../../cluster/core-context.js';
import { type RecordHeader } from '../../model/record.js';
import { formatVersion } from '../../model/version.js';
import { Schedule } from './schedule.js';

const INTERVAL_MS = 1_000;
/** For the other node to fetch all that it lacks, at its own limited rate. Where it takes longer, the next time is shorter. */
const HAND_OVER_TIMEOUT_MS = 30_000;
/** Records erased at a time. */
const PAGE = 128;

/**
 * Such records may be the only copies of writes that one node alone had to acknowledge. So each node of the list compares its own
 * copy with what is left here, and fetches what it lacks but for what it knows as forgotten; when all have, and nothing has
 * come in since, it is erased. Nothing can come in: every change asks, under the lock of its key, whether the partition is this
 * node's. What was under way when that changed is in the store once the fence is durable.
 */
export class LeftOver {
  private readonly schedule: Schedule;
  private partitions: ReadonlySet<number> = new Set();

  constructor(private readonly context: CoreContext) {
    context.view.onConfiguration(() => this.look());
    this.schedule = new Schedule(context, { intervalMs: () => INTERVAL_MS, pass: () => this.pass() });
  }

  start(): void {
    this.look();
    this.schedule.start();
  }

  stop(): void {
    this.schedule.stop();
  }

  /** Whether something is left here of a partition that is on other nodes. */
  has(partition: number): boolean {
    return this.partitions.has(partition);
  }

  get isNone(): boolean {
    this.look();
    return this.partitions.size === 0;
  }

  private look(): void {
    const { local, view, logger } = this.context;
    // Before the first configuration is agreed on, or told, nobody knows who holds what.
    if (view.epoch === 0) {
      return;
    }
    try {
      this.partitions = new Set(local.heldPartitions().filter((partition) => this.isElsewhere(partition)));
    } catch (error) {
      logger.debug?.(`Which partitions are left here is not known: ${(error as Error).message}`);
    }
  }

  private isElsewhere(partition: number): boolean {
    const { view } = this.context;
    return !view.nodesOf(partition).includes(view.selfId);
  }

  private async pass(): Promise<void> {
    this.look();
    for (const partition of this.partitions) {
      try {
        if (this.schedule.running && this.isElsewhere(partition) && (await this.handOver(partition))) {
          await this.erase(partition);
        }
      } catch (error) {
        this.context.logger.debug?.(
          `What is left of partition ${partition} is not handed over: ${(error as Error).message}`,
        );
      }
    }
    this.look();
  }

  /** Whether every node of the list has all that is here. */
  private async handOver(partition: number): Promise<boolean> {
    const { local, view, peers } = this.context;
    // No version is ever stamped so low: boots are counted from 1. A fence that is higher stays.
    const lowest = formatVersion({ physicalMs: 0, counter: 0, nodeId: view.selfId, boot: 0 });
    await local.raiseFence(partition, lowest);
    const before = local.getTree(partition).join('');
    const { epoch } = view;
    for (const nodeId of view.listOf(partition)) {
      const ask = { partition, epoch };
      const { isWhole } = await peers.call(nodeId, 'handOver', ask, { timeoutMs: HAND_OVER_TIMEOUT_MS });
      if (!isWhole) {
        return false;
      }
    }
    return local.getTree(partition).join('') === before;
  }

  /**
   * The floor goes first: this node may get the partition again, and would not take what is at or below the floor if it had
   * forgotten the records alone.
   */
  private async erase(partition: number): Promise<void> {
    const { local, logger } = this.context;
    if (this.isElsewhere(partition)) {
      await local.forgetBounds(partition);
    }
    let erased = 0;
    for (let page = await this.page(partition); page.length > 0; page = await this.page(partition)) {
      if (!this.schedule.running || !this.isElsewhere(partition)) {
        return;
      }
      await Promise.all(
        page.map(({ namespace, key, version }) => local.erase({ partition, namespace, key }, version)),
      );
      erased += page.length;
    }
    logger.debug?.(`${erased} records of partition ${partition}, which is on other nodes, were erased.`);
  }

  private async page(partition: number): Promise<readonly RecordHeader[]> {
    const page: RecordHeader[] = [];
    for await (const header of this.context.local.getAllNoValue({ partition })) {
      page.push(header);
      if (page.length >= PAGE) {
        break;
      }
    }
    return page;
  }
}
