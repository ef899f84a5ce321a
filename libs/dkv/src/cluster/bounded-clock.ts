/** This node's wall clock held against its peers': what log time may be made of (rule 19 of the strong mode). */
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { type ClusterView } from './cluster-view.js';
import { type PeerDirectory } from './peer-directory.js';

/** With fewer clocks nobody knows which is right. */
const CLOCKS_MIN = 3;

export class BoundedClock {
  private isAgreed = true;
  /** The median of all clocks less this node's, as of the last comparison. */
  private medianMs = 0;
  /** Not above 0: so much is taken off this node's clock. */
  private heldBackMs = 0;
  /** The bounded time of the last comparison, and when that was by the monotonic clock. */
  private comparedNowMs: number;
  private comparedAtMs: number;
  private comparisons = 0;

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly maxClockOffsetMs: number,
    private readonly view: Pick<ClusterView, 'peers' | 'isMember'>,
  ) {
    this.comparedNowMs = clock.now();
    this.comparedAtMs = clock.monotonic();
  }

  /** Whether this node's clock is within `maxClockOffsetMs` of the median. */
  get isRight(): boolean {
    return this.isAgreed;
  }

  /** What is wrong with this node's clock, for people; undefined where nothing is known to be. */
  get reason(): string | undefined {
    const seconds = (Math.abs(this.medianMs) / 1000).toFixed(1);
    return this.isAgreed
      ? undefined
      : `the clock of this node is ${seconds} s ${this.medianMs > 0 ? 'behind' : 'ahead of'} the others: it leads no partitions`;
  }

  /**
   * The wall clock where it agrees with the others, held back where it is ahead of most. What the others' clocks say is as
   * of the last comparison; a clock that was set since may be ahead of what it showed then by one offset only.
   */
  nowMs(): number {
    const { clock } = this;
    if (this.view.peers.length === 0) {
      return clock.now();
    }
    const bound = this.comparedNowMs + clock.monotonic() - this.comparedAtMs + this.maxClockOffsetMs;
    return Math.floor(Math.min(clock.now() + this.heldBackMs, bound));
  }

  /** Once a heartbeat interval. */
  compare(directory: PeerDirectory): void {
    const offsets = [0];
    for (const peer of directory.all) {
      // Whoever is no member yet, or no more, must not have a say in what log time is.
      const isCounted = peer.hasIntroducedItself && this.view.isMember(peer.nodeId);
      if (isCounted && directory.isUp(peer.nodeId)) {
        offsets.push(peer.clockOffsetMs);
      }
    }
    offsets.sort((a, b) => a - b);
    const median = offsets.length < CLOCKS_MIN ? 0 : offsets[offsets.length >> 1]!;
    const wasAgreed = this.isAgreed;
    this.isAgreed = Math.abs(median) <= this.maxClockOffsetMs;
    this.medianMs = median;
    if (wasAgreed !== this.isAgreed) {
      this.logger.warn(
        this.reason === undefined
          ? 'The clock of this node agrees with the others again.'
          : `Now ${this.reason}. Synchronise the clocks of the machines.`,
      );
    }
    this.heldBackMs = Math.min(0, median + this.maxClockOffsetMs);
    this.comparisons++;
    this.comparedNowMs = this.comparisons <= 1 ? this.clock.now() + this.heldBackMs : this.nowMs();
    this.comparedAtMs = this.clock.monotonic();
  }
}
