/** Stamps versions: a hybrid logical clock that never goes back, not even over a restart. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import {
  COUNTER_MAX,
  counterOf,
  joinVersion,
  physicalMsOf,
  stamperNamed,
  type Version,
  versionBy,
} from '../model/version.js';
import { type Clock } from '../ports/clock.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';

const BOUND_META = 'clock-bound';
const BOOT_META = 'boot';

/** The bound is raised when less than this is left of it. */
const RESERVE_MS = 150;
/** Raising the bound may take a turn or two when many stamp at once; more is a fault. */
const STAMP_ATTEMPTS_MAX = 8;

/**
 * Hybrid logical clock (Kulkarni et al., Logical Physical Clocks, 2014) with a durable upper bound: versions
 * are stamped only below a bound that is already on disk, and after a restart stamping starts at that bound.
 */
export class VersionClock {
  /**
   * How far ahead of the wall clock the durable bound is set. Shorter than the usual tolerated clock offset, so
   * that a crash does not make this node stamp further ahead than its peers accept.
   */
  static readonly leadMs = 400;

  private readonly stamper: string;
  private physicalMs: number;
  private counter = 0;
  private raising: Promise<void> | undefined;
  /** The last stamp given above a version from far ahead: two of them must differ too. */
  private far = { physicalMs: 0, counter: 0 };

  private constructor(
    private readonly nodeId: string,
    private readonly boot: number,
    private boundMs: number,
    private readonly clock: Clock,
    private readonly store: Pick<LocalKvRepo, 'putMeta'>,
    private readonly maxClockOffsetMs: number,
  ) {
    this.stamper = stamperNamed(nodeId, boot);
    this.physicalMs = boundMs;
  }

  /** Counts this start and reads the bound; both durable before it resolves. */
  static async open(
    nodeId: string,
    clock: Clock,
    store: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>,
    maxClockOffsetMs = 500,
  ): Promise<VersionClock> {
    // A folder that is new may stand for one that was lost: its first boot is above all of that one's.
    const boot = Number((await store.getMeta(BOOT_META)) ?? Math.floor(clock.now() / 1000)) + 1;
    const boundMs = Number((await store.getMeta(BOUND_META)) ?? 0);
    await store.putMeta(BOOT_META, String(boot));
    return new VersionClock(nodeId, boot, boundMs, clock, store, maxClockOffsetMs);
  }

  /** Makes room under the bound for versions above `atLeast`; cheap when there is room. */
  async reserve(atLeast?: Version): Promise<void> {
    const needed = this.neededMs(atLeast);
    while (needed > this.boundMs) {
      this.raising ??= this.raise(needed).finally(() => (this.raising = undefined));
      await this.raising;
    }
  }

  private hasRoom(atLeast: Version | undefined): boolean {
    return this.neededMs(atLeast) <= this.boundMs;
  }

  private neededMs(atLeast: Version | undefined): number {
    const seenMs = atLeast && !this.isFarAhead(atLeast) ? physicalMsOf(atLeast) : 0;
    return Math.max(this.clock.now(), this.physicalMs, seenMs) + RESERVE_MS;
  }

  /**
   * A version above every one stamped here and above `seen`. Call `reserve` before. A `seen` from far ahead is
   * passed for its key alone: the clock does not follow it.
   * @throws DkvError `DKV_NOT_READY` when the bound leaves no room: nothing was stamped; reserve and try again.
   */
  next(seen: Version | undefined): Version {
    this.catchUpWithFar();
    if (seen && this.isFarAhead(seen)) {
      const [physicalMs, counter] = [physicalMsOf(seen), counterOf(seen)];
      const { far } = this;
      const behind = far.physicalMs > physicalMs || (far.physicalMs === physicalMs && far.counter > counter);
      this.far = behind ? stepAfter(far.physicalMs, far.counter) : stepAfter(physicalMs, counter);
      return this.format(this.far);
    }
    if (seen) {
      this.observe(seen);
    }
    // A wall clock past the bound waits for the bound: a version slightly behind the clock is safe.
    const now = Math.min(this.clock.now(), this.boundMs - 1);
    const stamp =
      now > this.physicalMs ? { physicalMs: now, counter: 0 } : stepAfter(this.physicalMs, this.counter);
    if (stamp.physicalMs >= this.boundMs) {
      throw new DkvError('DKV_NOT_READY', 'The bound of the version clock is being raised.');
    }
    this.physicalMs = stamp.physicalMs;
    this.counter = stamp.counter;
    return this.format(stamp);
  }

  /** `next`, once there is room for it; most often there is, and nothing is waited for. */
  stamp(seen?: Version): Version | Promise<Version> {
    return this.hasRoom(seen) ? this.next(seen || undefined) : this.stampLater(seen);
  }

  private async stampLater(seen: Version | undefined): Promise<Version> {
    for (let attempt = 1; ; attempt++) {
      await this.reserve(seen);
      try {
        return this.next(seen || undefined);
      } catch (error) {
        if (attempt >= STAMP_ATTEMPTS_MAX || !isDkvError(error, 'DKV_NOT_READY')) {
          throw error;
        }
      }
    }
  }

  /** What this node has seen, it stamps above (the receive rule of the clock); far-ahead versions do not count. */
  observe(seen: Version): void {
    const seenMs = physicalMsOf(seen);
    const seenCounter = counterOf(seen);
    const higher = seenMs > this.physicalMs || (seenMs === this.physicalMs && seenCounter > this.counter);
    if (higher && !this.isFarAhead(seen)) {
      this.physicalMs = seenMs;
      this.counter = seenCounter;
    }
  }

  /** The version of a join, right above the newer of its inputs. */
  joinOf(newer: Version): Version {
    return joinVersion(newer, this.nodeId, this.boot);
  }

  /** Whether a version is further ahead of this node's clock than clocks in tolerance can make it. */
  isFarAhead(version: Version): boolean {
    return this.isAhead(physicalMsOf(version));
  }

  /** Once time has come to what was stamped ahead of it, the clock goes on above that: no stamp is given twice. */
  private catchUpWithFar(): void {
    const { physicalMs, counter } = this.far;
    if (physicalMs > 0 && !this.isAhead(physicalMs)) {
      this.far = { physicalMs: 0, counter: 0 };
      if (physicalMs > this.physicalMs || (physicalMs === this.physicalMs && counter > this.counter)) {
        this.physicalMs = physicalMs;
        this.counter = counter;
      }
    }
  }

  private isAhead(physicalMs: number): boolean {
    return physicalMs - this.clock.now() > 2 * this.maxClockOffsetMs + VersionClock.leadMs;
  }

  private format(stamp: { physicalMs: number; counter: number }): Version {
    return versionBy(this.stamper, stamp.physicalMs, stamp.counter);
  }

  private async raise(needed: number): Promise<void> {
    const boundMs = needed - RESERVE_MS + VersionClock.leadMs;
    await this.store.putMeta(BOUND_META, String(boundMs));
    this.boundMs = boundMs;
  }
}

function stepAfter(physicalMs: number, counter: number): { physicalMs: number; counter: number } {
  return counter < COUNTER_MAX
    ? { physicalMs, counter: counter + 1 }
    : { physicalMs: physicalMs + 1, counter: 0 };
}
