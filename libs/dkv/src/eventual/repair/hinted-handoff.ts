/** Hints: durable marks of what a node missed, replayed to it at a limited rate once it answers again. */
import { type CoreContext } from '../../cluster/core-context.js';
import { idOf } from '../../model/key.js';
import { type Hint } from '../../ports/local-kv-repo.js';
import { type Replica } from '../replica.js';
import { isTroubleWithPeer } from './peer-trouble.js';
import { PeerSchedule } from './peer-schedule.js';
import { type RateLimit } from '../../cluster/rate-limit.js';

/** Hints read from the store at a time. */
const PAGE = 128;
const REPLAY_INTERVAL_MS = 1_000;
const HINT_OVERHEAD_BYTES = 200;

/**
 * A hint names a key and holds no value: what is replayed is the record as it is then, so ten missed writes of a
 * key cost one. Past `hintBytesMax` hints are dropped and anti-entropy finds the difference instead.
 */
export class HintedHandoff {
  private readonly replaying = new Set<string>();
  /** Hints whose record is on its way; one that is added again meanwhile is taken out. */
  private readonly delivering = new Set<string>();
  private readonly schedule: PeerSchedule;

  constructor(
    private readonly context: CoreContext,
    private readonly rate: RateLimit,
    private readonly replica: Pick<Replica, 'join'>,
  ) {
    this.schedule = new PeerSchedule(context, {
      intervalMs: () => REPLAY_INTERVAL_MS,
      peerUp: (nodeId) => void this.replay(nodeId),
      peerGone: (nodeId) => void this.drop(nodeId),
      pass: (up) => up.forEach((nodeId) => void this.replay(nodeId)),
    });
  }

  start(): void {
    this.schedule.start();
  }

  stop(): void {
    this.schedule.stop();
  }

  /** Never rejects: a hint that cannot be kept leaves its key to anti-entropy. */
  async add(hint: Hint): Promise<void> {
    this.delivering.delete(markOf(hint));
    const { local, limits, telemetry, logger } = this.context;
    try {
      if (local.hintBytes >= limits.hintBytesMax) {
        telemetry.hintOverflow();
        return;
      }
      await local.addHint(hint);
    } catch (error) {
      telemetry.hintOverflow();
      logger.warn(`A hint for node ${hint.nodeId} was not kept: ${(error as Error).message}`);
    }
  }

  /** Sends a node all that it missed, unless that is going on already. */
  async replay(nodeId: string): Promise<void> {
    if (this.replaying.has(nodeId)) {
      return;
    }
    this.replaying.add(nodeId);
    try {
      let delivered = true;
      while (delivered) {
        delivered = false;
        for (const hint of await this.context.local.getHints(nodeId, PAGE)) {
          if (!this.schedule.running || this.context.view.stateOf(nodeId) !== 'up') {
            return;
          }
          delivered = (await this.deliverOrSkip(hint)) || delivered;
        }
      }
    } catch (error) {
      this.context.logger.debug?.(`Hints for node ${nodeId} wait: ${(error as Error).message}`);
    } finally {
      this.replaying.delete(nodeId);
    }
  }

  /** What a node missed that is no member any more nobody will ask for, and it would take the room of other hints. */
  private async drop(nodeId: string): Promise<void> {
    const { local, view, logger } = this.context;
    try {
      for (let left = true; left && !view.isMember(nodeId);) {
        const some = await local.getHints(nodeId, PAGE);
        left = some.length > 0 && this.schedule.running;
        for (const hint of left ? some : []) {
          await local.removeHint(hint);
        }
      }
    } catch (error) {
      logger.warn(`Hints for node ${nodeId} were not dropped: ${(error as Error).message}`);
    }
  }

  /** Whether the hint is done with. One that cannot be delivered is dropped: anti-entropy knows of it too. */
  private async deliverOrSkip(hint: Hint): Promise<boolean> {
    try {
      return await this.deliver(hint);
    } catch (error) {
      if (isTroubleWithPeer(error)) {
        throw error;
      }
      this.context.logger.warn(`A hint for node ${hint.nodeId} was dropped: ${(error as Error).message}`);
      await this.context.local.removeHint(hint);
      return true;
    }
  }

  private async deliver(hint: Hint): Promise<boolean> {
    const { local, peers, limits, view } = this.context;
    const mark = markOf(hint);
    this.delivering.add(mark);
    try {
      const record = await local.get(hint);
      const nodeIds = view.nodesOf(hint.partition);
      if (record && nodeIds.includes(hint.nodeId)) {
        await this.rate.take(record.value.length + HINT_OVERHEAD_BYTES);
        const ask = { partition: hint.partition, record };
        const timeoutMs = limits.peerTimeoutMs;
        const { newer } = await peers.call(hint.nodeId, 'addOrUpdate', ask, { timeoutMs });
        if (newer && nodeIds.includes(view.selfId)) {
          await this.replica.join(hint.partition, newer);
        }
      }
      // Missed again meanwhile: the mark stays, so that the newer record is sent with the next page.
      if (this.delivering.has(mark)) {
        await local.removeHint(hint);
        return true;
      }
      return false;
    } finally {
      this.delivering.delete(mark);
    }
  }
}

function markOf(hint: Hint): string {
  return `${hint.nodeId}\0${idOf(hint)}`;
}
