/** Tells the other nodes of a key what was committed: with the next message to them, or soon by itself. */
import { type Notice, NOTICES_MAX } from '../model/peer-protocol.js';
import { type CoreContext } from '../cluster/core-context.js';

/** How long a notice waits for a message to ride on. */
const DELAY_MS = 10;
/** Per node; what is beyond is dropped and found out by the rounds of those who miss it. */
const WAITING_MAX = 16_384;

export class Notices {
  private readonly waiting = new Map<string, Notice[]>();

  constructor(private readonly context: Pick<CoreContext, 'clock' | 'peers' | 'limits' | 'logger'>) {}

  add(nodeId: string, notice: Notice): void {
    const waiting = this.waiting.get(nodeId);
    if (!waiting) {
      this.waiting.set(nodeId, [notice]);
      this.context.clock.schedule(DELAY_MS, () => void this.flush(nodeId));
    } else if (waiting.length < WAITING_MAX) {
      waiting.push(notice);
    }
  }

  /** Those for a node, oldest first, to be sent along with something else. */
  take(nodeId: string): readonly Notice[] {
    return this.waiting.get(nodeId)?.splice(0, NOTICES_MAX) ?? [];
  }

  private async flush(nodeId: string): Promise<void> {
    const { peers, limits, logger, clock } = this.context;
    const notices = this.take(nodeId);
    if (notices.length === 0) {
      this.waiting.delete(nodeId);
      return;
    }
    try {
      await peers.call(nodeId, 'settle', { notices }, { timeoutMs: limits.peerTimeoutMs });
    } catch (error) {
      logger.debug?.(`Node ${nodeId} was not told of ${notices.length} commits: ${(error as Error).message}`);
    }
    const delayMs = this.waiting.get(nodeId)!.length >= NOTICES_MAX ? 0 : DELAY_MS;
    clock.schedule(delayMs, () => void this.flush(nodeId));
  }
}
