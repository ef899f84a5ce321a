/** Tells the other nodes of a key what was committed: with the next message to them, or soon by itself. */
import { type Notice, NOTICES_MAX } from '../model/peer-protocol.js';
import { type CoreContext } from '../processor/core-context.js';

/** How long a notice waits for a message to ride on. */
const DELAY_MS = 10;
/** Less is nothing: a wait of a rounding error would end before it began. */
const LEAST_MS = 1;
/** Per node; what is beyond is dropped and found out by the rounds of those who miss it. */
const WAITING_MAX = 16_384;
const NONE: readonly Notice[] = [];

/** For one node, oldest first. */
interface Waiting {
  readonly notices: Notice[];
  /** Since when there are some. */
  sinceMs: number;
}

export class Notices {
  private readonly waiting = new Map<string, Waiting>();

  constructor(private readonly context: Pick<CoreContext, 'clock' | 'peers' | 'limits' | 'logger'>) {}

  add(nodeId: string, notice: Notice): void {
    const waiting = this.waiting.get(nodeId);
    if (!waiting) {
      this.waiting.set(nodeId, { notices: [notice], sinceMs: this.context.clock.monotonic() });
      this.flushAfter(DELAY_MS, nodeId);
      return;
    }
    const { notices } = waiting;
    if (notices.length === 0) {
      waiting.sinceMs = this.context.clock.monotonic();
    }
    if (notices.length < WAITING_MAX) {
      notices.push(notice);
    }
  }

  /** Those for a node, oldest first, to be sent along with something else. */
  take(nodeId: string): readonly Notice[] {
    const notices = this.waiting.get(nodeId)?.notices;
    return notices && notices.length > 0 ? notices.splice(0, NOTICES_MAX) : NONE;
  }

  private flushAfter(delayMs: number, nodeId: string): void {
    this.context.clock.schedule(delayMs, () => void this.flush(nodeId));
  }

  private async flush(nodeId: string): Promise<void> {
    const { peers, limits, logger, clock } = this.context;
    const waiting = this.waiting.get(nodeId)!;
    if (waiting.notices.length === 0) {
      this.waiting.delete(nodeId);
      return;
    }
    // Where messages go to and fro, those of before have gone with them: a message of their own costs as much as a vote.
    const leftMs = waiting.sinceMs + DELAY_MS - clock.monotonic();
    if (leftMs >= LEAST_MS && waiting.notices.length < NOTICES_MAX) {
      this.flushAfter(leftMs, nodeId);
      return;
    }
    const notices = this.take(nodeId);
    try {
      await peers.call(nodeId, 'settle', { notices }, { timeoutMs: limits.peerTimeoutMs });
    } catch (error) {
      logger.debug?.(`Node ${nodeId} was not told of ${notices.length} commits: ${(error as Error).message}`);
    }
    this.flushAfter(waiting.notices.length >= NOTICES_MAX ? 0 : DELAY_MS, nodeId);
  }
}
