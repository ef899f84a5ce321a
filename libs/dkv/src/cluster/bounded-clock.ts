/** This node's wall clock held against its peers': what log time may be made of (rule 19 of the strong mode). */
import { type Clock } from '../ports/clock.js';
import { type PeerDirectory } from './peer-directory.js';

/** With fewer clocks nobody knows which is right. */
const CLOCKS_MIN = 3;

export class BoundedClock {
  private isAgreed = true;
  /** Not above 0: so much is taken off this node's clock. */
  private heldBackMs = 0;
  /** The bounded time of the last comparison, and when that was by the monotonic clock. */
  private comparedNowMs: number;
  private comparedAtMs: number;
  private comparisons = 0;

  constructor(
    private readonly clock: Clock,
    private readonly maxClockOffsetMs: number,
    private readonly hasPeers: boolean,
  ) {
    this.comparedNowMs = clock.now();
    this.comparedAtMs = clock.monotonic();
  }

  /** Whether this node's clock is within `maxClockOffsetMs` of the median. */
  get isRight(): boolean {
    return this.isAgreed;
  }

  /**
   * The wall clock where it agrees with the others, held back where it is ahead of most. What the others' clocks say is as
   * of the last comparison; a clock that was set since may be ahead of what it showed then by one offset only.
   */
  nowMs(): number {
    const { clock } = this;
    if (!this.hasPeers) {
      return clock.now();
    }
    const bound = this.comparedNowMs + clock.monotonic() - this.comparedAtMs + this.maxClockOffsetMs;
    return Math.floor(Math.min(clock.now() + this.heldBackMs, bound));
  }

  /** Once a heartbeat interval. */
  compare(directory: PeerDirectory): void {
    const offsets = [0];
    for (const peer of directory.all) {
      if (peer.hasIntroducedItself && directory.isUp(peer.nodeId)) {
        offsets.push(peer.clockOffsetMs);
      }
    }
    offsets.sort((a, b) => a - b);
    const median = offsets.length < CLOCKS_MIN ? 0 : offsets[offsets.length >> 1]!;
    this.isAgreed = Math.abs(median) <= this.maxClockOffsetMs;
    this.heldBackMs = Math.min(0, median + this.maxClockOffsetMs);
    this.comparisons++;
    this.comparedNowMs = this.comparisons <= 1 ? this.clock.now() + this.heldBackMs : this.nowMs();
    this.comparedAtMs = this.clock.monotonic();
  }
}
