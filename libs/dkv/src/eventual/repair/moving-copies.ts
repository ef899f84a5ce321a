/** Partitions that move: this node copies what it is to have, and says when it lacks nothing any more. */
import { type CoreContext } from '../../cluster/core-context.js';
import { type CopiedPlace } from '../../model/membership.js';
import { classAt, partitionAt } from '../../cluster/partition-lists.js';
import { majorityOf } from '../../model/consistency.js';
import { type AntiEntropy } from './anti-entropy.js';
import { forEachConcurrently } from './concurrently.js';
import { Schedule } from './schedule.js';

const INTERVAL_MS = 300;
const CONCURRENT = 8;
/** A node that leaves the cluster, and is down for so long, is not waited for. */
const ABSENT_MS = 10_000;

/** With whom a partition was compared in one stage of its move. */
interface Comparisons {
  readonly stage: number;
  readonly nodeIds: Set<string>;
}

/**
 * Every node of the goal compares its copy with those of the list, in each of the two stages of a move for itself. The second time
 * matters: until both lists counted, writes were acknowledged by nodes of the list alone. They all knew nothing of that stage; a
 * node that is compared with by then does, and takes part in no such write any more. As far as it has one node in common with
 * every quorum of the list, what is compared with has every such write.
 */
export class MovingCopies {
  private readonly schedule: Schedule;
  private readonly compared = new Map<number, Comparisons>();
  /** Since when members are down; monotonic. */
  private readonly downSinceMs = new Map<string, number>();

  constructor(
    private readonly context: CoreContext,
    private readonly antiEntropy: AntiEntropy,
  ) {
    this.schedule = new Schedule(context, { intervalMs: () => INTERVAL_MS, pass: () => this.pass() });
  }

  start(): void {
    this.schedule.start();
  }

  stop(): void {
    this.schedule.stop();
  }

  /** Places that this node has copied, by the epochs of the stages that they are in now. */
  get copied(): readonly CopiedPlace[] {
    const { view } = this.context;
    const { moving, target } = view.agreed;
    return moving
      .filter(({ place }) => target[place]!.includes(view.selfId))
      .filter(({ place }) => this.partitionsAt(place).every((partition) => this.isCopied(partition)))
      .map(({ place, since, joint = since }) => ({ place, epoch: joint }));
  }

  /** That of a place, where it is on its way to this node, or stays on it, and has eventual records. */
  private partitionsAt(place: number): readonly number[] {
    const { view, namespaces } = this.context;
    const partition = partitionAt(view.agreed, place);
    const hasRecords = [...namespaces].some(
      ({ mode, placement }) => mode === 'eventual' && placement === classAt(view.agreed, place),
    );
    return hasRecords && view.goalOf(partition).includes(view.selfId) ? [partition] : [];
  }

  private async pass(): Promise<void> {
    const { view } = this.context;
    this.watchAbsent();
    const partitions = view.agreed.moving.flatMap(({ place }) => this.partitionsAt(place));
    for (const partition of this.compared.keys()) {
      if (!partitions.includes(partition)) {
        this.compared.delete(partition);
      }
    }
    await forEachConcurrently(partitions, CONCURRENT, (partition) => this.copy(partition));
  }

  /** Never rejects: the next pass goes on. */
  private async copy(partition: number): Promise<void> {
    const { view, logger } = this.context;
    const stage = view.stages.stageOf(partition);
    if (this.compared.get(partition)?.stage !== stage) {
      this.compared.set(partition, { stage, nodeIds: new Set() });
    }
    const { nodeIds } = this.compared.get(partition)!;
    for (const nodeId of view.listOf(partition)) {
      if (nodeId === view.selfId || nodeIds.has(nodeId) || view.stateOf(nodeId) === 'down') {
        continue;
      }
      try {
        if (await this.antiEntropy.compare(nodeId, partition, stage)) {
          nodeIds.add(nodeId);
        }
      } catch (error) {
        logger.debug?.(
          `Copying partition ${partition} from node ${nodeId} waits: ${(error as Error).message}`,
        );
      }
    }
  }

  private watchAbsent(): void {
    const { view, clock } = this.context;
    for (const { nodeId } of view.peers) {
      if (view.stateOf(nodeId) === 'down' && !this.downSinceMs.has(nodeId)) {
        this.downSinceMs.set(nodeId, clock.monotonic());
      }
    }
    for (const nodeId of this.downSinceMs.keys()) {
      if (view.stateOf(nodeId) !== 'down' || !view.isMember(nodeId)) {
        this.downSinceMs.delete(nodeId);
      }
    }
  }

  /** All nodes of the list that are there; and most of it, but for those that leave the cluster and do not come back. */
  private isCopied(partition: number): boolean {
    const { view, clock } = this.context;
    const comparisons = this.compared.get(partition);
    if (!comparisons || comparisons.stage !== view.stages.stageOf(partition)) {
      return false;
    }
    const list = view.listOf(partition);
    const lacks = (nodeId: string) => nodeId !== view.selfId && !comparisons.nodeIds.has(nodeId);
    const lacking = list.filter(lacks);
    const leaving = new Set(
      view.agreed.members.filter(({ isLeaving }) => isLeaving).map(({ nodeId }) => nodeId),
    );
    const isLost = (nodeId: string) =>
      leaving.has(nodeId) && clock.monotonic() - (this.downSinceMs.get(nodeId) ?? Infinity) >= ABSENT_MS;
    return (
      lacking.every((nodeId) => view.stateOf(nodeId) === 'down') &&
      (list.length - lacking.length >= majorityOf(list.length) || lacking.every(isLost))
    );
  }
}
