/** When a write leaves the event loop's thread: docs/adr/0013. */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../testing/manual-clock.js';
import { AdaptiveWrites } from './adaptive-writes.js';

/** A disk whose writes take as long as the test says, and write at most so many bytes a call. */
class FakeCalls {
  takesMs = 0;
  bytesMax = Infinity;
  failure: Error | undefined;
  readonly calls: string[] = [];
  readonly waiting: (() => void)[] = [];

  constructor(private readonly clock: ManualClock) {}

  writeSync(_fd: number, _bytes: Uint8Array, from: number, length: number, offset: number): number {
    this.clock.advance(this.takesMs);
    if (this.failure) {
      throw this.failure;
    }
    const count = Math.min(length, this.bytesMax);
    this.calls.push(`inline ${from} ${count} at ${offset}`);
    return count;
  }

  write(
    _fd: number,
    _bytes: Uint8Array,
    from: number,
    length: number,
    offset: number,
    done: (error: Error | null, written: number) => void,
  ): void {
    this.waiting.push(() => {
      const count = this.failure ? 0 : Math.min(length, this.bytesMax);
      this.calls.push(`pool ${from} ${count} at ${offset}`);
      done(this.failure ?? null, count);
    });
  }

  /** Ends what the pool has, after so long. */
  end(afterMs = 0): void {
    this.clock.advance(afterMs);
    this.waiting.shift()!();
  }
}

function setup() {
  const clock = new ManualClock();
  const calls = new FakeCalls(clock);
  const writes = new AdaptiveWrites(calls, clock);
  const ended: (string | undefined)[] = [];
  const write = (bytes = 100, offset = 0) =>
    writes.write(3, new Uint8Array(bytes), offset, (error) => ended.push(error?.message));
  return { clock, calls, ended, write };
}

describe('a write', () => {
  it('is on the thread while the disk follows', () => {
    const { calls, ended, write } = setup();
    write(100, 7);
    expect(ended).toEqual([undefined]);
    expect(calls.calls).toEqual(['inline 0 100 at 7']);
  });

  it('goes to the pool when it is large', () => {
    const { calls, ended, write } = setup();
    write(1_000_000);
    expect(ended).toEqual([]);
    calls.end(50);
    expect(ended).toEqual([undefined]);
    // That it took long says nothing about the disk.
    write();
    expect(calls.calls.at(-1)).toBe('inline 0 100 at 0');
  });

  it('goes to the pool for a second after one was held back, and twice as long when the next one is, too', () => {
    const { clock, calls, write } = setup();
    calls.takesMs = 30;
    write();
    clock.advance(999);
    write();
    expect(calls.waiting).toHaveLength(1);
    calls.end(10);
    write();
    clock.advance(1_900);
    write();
    expect(calls.waiting).toHaveLength(1);
    calls.end(100);
    calls.takesMs = 0;
    write();
    expect(calls.calls.filter((call) => call.startsWith('inline'))).toHaveLength(3);
    calls.takesMs = 30;
    write();
    clock.advance(1_001);
    write();
    expect(calls.calls.filter((call) => call.startsWith('inline'))).toHaveLength(5);
  });

  it.each(['inline', 'pool'])('is finished when the system took a part of it: %s', (way) => {
    const { calls, ended, write } = setup();
    if (way === 'pool') {
      calls.takesMs = 30;
      write();
    }
    calls.calls.length = 0;
    calls.bytesMax = 40;
    write(100, 10);
    while (calls.waiting.length > 0) {
      calls.end();
    }
    expect(calls.calls).toEqual([`${way} 0 40 at 10`, `${way} 40 40 at 50`, `${way} 80 20 at 90`]);
    expect(ended.at(-1)).toBeUndefined();
  });

  it('tells its error, on either way', () => {
    const { calls, ended, write } = setup();
    calls.failure = new Error('ENOSPC');
    write();
    write(1_000_000);
    calls.end();
    expect(ended).toEqual(['ENOSPC', 'ENOSPC']);
  });
});
