/** What a node remembers of its own writes: bounded, and never so little that a read could miss one. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../testing/manual-clock.js';
import { type RecordId } from '../model/key.js';
import { OwnWrites } from './own-writes.js';

const id = (key: string, partition = 1, namespace = 'default'): RecordId => ({ partition, namespace, key });

const SPREAD_MS = 60_000;

let clock: ManualClock;
/** Remembers two writes. */
let writes: OwnWrites;

beforeEach(() => {
  clock = new ManualClock();
  writes = new OwnWrites(clock, { entriesMax: 2, spreadMs: SPREAD_MS });
});

/** Pushes everything out that was noted before, into partitions of no interest. */
function overflow(): void {
  writes.note(id('filler 1', 91), 'v', 'filler');
  writes.note(id('filler 2', 92), 'v', 'filler');
}

describe('a write', () => {
  it('that was never made is expected nowhere', () => {
    expect(writes.expected(id('k'))).toBeUndefined();
  });

  it('is expected with its version at its coordinator', () => {
    writes.note(id('k'), 'v1', 'b');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v1', coordinator: 'b' });
  });

  it('takes the place of the one before', () => {
    writes.note(id('k'), 'v1', 'b');
    writes.note(id('k'), 'v2', 'c');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v2', coordinator: 'c' });
  });

  it.each([
    ['another key', id('l')],
    ['the key in another namespace', id('k', 1, 'other')],
  ])('says nothing of %s', (_, other) => {
    writes.note(id('k'), 'v1', 'b');
    expect(writes.expected(other)).toBeUndefined();
  });

  it('is forgotten for good once the local copy has it', () => {
    writes.note(id('k'), 'v1', 'b');
    writes.settled(id('k'), 'v1');
    overflow();
    expect(writes.expected(id('k'))).toBeUndefined();
  });

  it('is not forgotten when the local copy has only an older one', () => {
    writes.note(id('k'), 'v2', 'b');
    writes.settled(id('k'), 'v1');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v2', coordinator: 'b' });
  });

  it('never goes back, whichever answer comes last', () => {
    writes.note(id('k'), 'v2', 'b');
    writes.note(id('k'), 'v1', 'c');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v2', coordinator: 'b' });
  });
});

describe('a write pushed out', () => {
  it('leaves its coordinator to be asked, for any key of the partition', () => {
    writes.note(id('k'), 'v1', 'b');
    overflow();
    expect(writes.expected(id('k'))).toEqual({ version: undefined, coordinator: 'b' });
    expect(writes.expected(id('unknown'))).toEqual({ version: undefined, coordinator: 'b' });
  });

  it('says nothing of other partitions', () => {
    writes.note(id('k', 1), 'v1', 'b');
    overflow();
    expect(writes.expected(id('k', 2))).toBeUndefined();
  });

  it('is not the one written again: that is kept', () => {
    writes.note(id('again'), 'v1', 'b');
    writes.note(id('once', 2), 'v2', 'c');
    writes.note(id('again'), 'v3', 'b');
    writes.note(id('more', 3), 'v4', 'd');
    expect(writes.expected(id('again'))).toMatchObject({ version: 'v3' });
    expect(writes.expected(id('once', 2))).toEqual({ version: undefined, coordinator: 'c' });
  });

  it.each([
    ['one coordinator', ['b', 'b', 'b'], 'b'],
    ['two coordinators', ['b', 'c'], undefined],
    ['two coordinators, the first again', ['b', 'c', 'b'], undefined],
  ])('after others of its partition: %s', (_, coordinators, expected) => {
    coordinators.forEach((coordinator, index) => writes.note(id(`k${index}`), 'v', coordinator));
    overflow();
    expect(writes.expected(id('k0'))).toEqual({ version: undefined, coordinator: expected });
  });

  it('does not hide a newer one that is still remembered', () => {
    writes.note(id('k'), 'v1', 'b');
    overflow();
    writes.note(id('k'), 'v2', 'c');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v2', coordinator: 'c' });
  });
});

describe('a write pushed out is asked for at its coordinator', () => {
  it('until others must have it, and no longer', () => {
    writes.note(id('k'), 'v1', 'b');
    clock.advance(20_000);
    overflow();
    clock.advance(SPREAD_MS - 20_001);
    expect(writes.expected(id('k'))).toEqual({ version: undefined, coordinator: 'b' });
    expect(writes.isAwaited(1)).toBe(true);
    clock.advance(1);
    expect(writes.expected(id('k'))).toBeUndefined();
    expect(writes.isAwaited(1)).toBe(false);
  });

  it('each coordinator for as long as its own last write takes', () => {
    writes.note(id('k1'), 'v1', 'b');
    clock.advance(10_000);
    writes.note(id('k2'), 'v2', 'c');
    overflow();
    expect(writes.expected(id('k1'))).toEqual({ version: undefined, coordinator: undefined });
    clock.advance(SPREAD_MS - 10_000);
    expect(writes.expected(id('k1'))).toEqual({ version: undefined, coordinator: 'c' });
    clock.advance(10_000);
    expect(writes.expected(id('k1'))).toBeUndefined();
  });

  it('not at all when it was remembered for that long', () => {
    writes.note(id('k'), 'v1', 'b');
    clock.advance(SPREAD_MS);
    overflow();
    expect(writes.expected(id('k'))).toBeUndefined();
    expect(writes.isAwaited(1)).toBe(false);
  });
});

describe('the table', () => {
  it('recovers from a flood of writes: partitions are as before, and nothing piles up', () => {
    for (let number = 0; number < 10_000; number++) {
      writes.note(id(`k${number}`, number % 50), 'v', number % 3 === 0 ? 'b' : 'c');
      expect(writes.size).toBeLessThanOrEqual(2);
    }
    clock.advance(SPREAD_MS);
    writes.note(id('after', 99), 'v', 'b');
    writes.note(id('after that', 99), 'v', 'b');
    for (let partition = 0; partition < 50; partition++) {
      expect(writes.isAwaited(partition)).toBe(false);
    }
    const parts = Object.values(writes as unknown as Record<string, unknown>).filter(
      (part) => part instanceof Map,
    );
    expect(parts.every(({ size }) => size <= 2)).toBe(true);
  });

  it('lets the oldest go first, also after others went from the middle', () => {
    writes = new OwnWrites(clock, { entriesMax: 3, spreadMs: SPREAD_MS });
    ['a', 'b', 'c'].forEach((key, at) => writes.note(id(key, at), 'v', `of ${key}`));
    writes.settled(id('b', 1), 'v');
    ['d', 'e'].forEach((key, at) => writes.note(id(key, 3 + at), 'v', `of ${key}`));
    const versions = ['a', 'b', 'c', 'd', 'e'].map((key, at) => writes.expected(id(key, at))?.version);
    expect(versions).toEqual([undefined, undefined, 'v', 'v', 'v']);
    expect(writes.expected(id('a', 0))?.coordinator).toBe('of a');
  });

  it('finds the oldest at once, however many are in it', () => {
    const many = new OwnWrites(clock, { entriesMax: 50_000, spreadMs: SPREAD_MS });
    for (let number = 0; number < 300_000; number++) {
      many.note(id(`k${number}`, number % 8), 'v', 'b');
    }
    expect(many.size).toBe(50_000);
    expect(many.expected(id('k299999', 299_999 % 8))).toMatchObject({ version: 'v' });
  });
});
