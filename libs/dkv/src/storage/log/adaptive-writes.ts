/** Decides which writes run on the event loop's own thread and which on libuv's pool: docs/adr/0013. */
import { type FileDone } from './log-files.js';

/** `node:fs`, as far as it is needed here. */
export interface WriteCalls {
  /** Bytes written, maybe fewer than `length`. */
  writeSync(fd: number, bytes: Uint8Array, from: number, length: number, offset: number): number;
  write(
    fd: number,
    bytes: Uint8Array,
    from: number,
    length: number,
    offset: number,
    done: (error: Error | null, written: number) => void,
  ): void;
}

/** 65 KiB take 16 µs on the thread, 512 KiB 110: above this, the hop to the pool (25 to 40 µs) is the smaller part. */
const INLINE_BYTES_MAX = 256 * 1024;
/** A write to the page cache takes microseconds. One of this length was held back by the kernel: the disk is behind. */
const SLOW_MS = 5;
/** How long writes stay away from the thread after a slow one; twice as long after each that finds the disk behind still. */
const DETOUR_MS = 1_000;
const DETOUR_MS_MAX = 16_000;

/**
 * A write to the page cache costs a tenth of a hop to the pool, until the kernel holds writers back for a disk that cannot
 * follow. So: on the thread, unless large, or one was slow lately. The first write that is held back stops the loop; those
 * after it do not. How long a write in the pool took says nothing: that is the loop's and the pool's load as well.
 */
export class AdaptiveWrites {
  private detourUntilMs = -Infinity;
  private detourMs = DETOUR_MS;

  constructor(
    private readonly calls: WriteCalls,
    private readonly clock: { monotonic(): number },
  ) {}

  write(fd: number, bytes: Uint8Array, offset: number, done: FileDone): void {
    const beganMs = this.clock.monotonic();
    if (bytes.length > INLINE_BYTES_MAX || beganMs < this.detourUntilMs) {
      this.inPool(fd, bytes, 0, offset, done);
      return;
    }
    let failure: Error | undefined;
    try {
      this.inline(fd, bytes, offset);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    this.measure(beganMs);
    done(failure);
  }

  private inline(fd: number, bytes: Uint8Array, offset: number): void {
    for (let from = 0; from < bytes.length;) {
      from += this.calls.writeSync(fd, bytes, from, bytes.length - from, offset + from);
    }
  }

  private inPool(fd: number, bytes: Uint8Array, from: number, offset: number, done: FileDone): void {
    this.calls.write(fd, bytes, from, bytes.length - from, offset + from, (error, count) => {
      const next = from + count;
      if (!error && next < bytes.length) {
        this.inPool(fd, bytes, next, offset, done);
        return;
      }
      done(error ?? undefined);
    });
  }

  private measure(beganMs: number): void {
    const nowMs = this.clock.monotonic();
    if (nowMs - beganMs < SLOW_MS) {
      this.detourMs = DETOUR_MS;
      return;
    }
    this.detourUntilMs = nowMs + this.detourMs;
    this.detourMs = Math.min(2 * this.detourMs, DETOUR_MS_MAX);
  }
}
