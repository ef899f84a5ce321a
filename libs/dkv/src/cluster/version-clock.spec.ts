/** The clock of versions: upwards for ever, whatever the machine's clock does and however often it restarts. */
import { beforeEach, describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { microtasks } from '../../testing/microtasks.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import {
  COUNTER_MAX,
  formatVersion,
  joinVersion,
  parseVersion,
  physicalMsOf,
  type Version,
} from '../model/version.js';
import { VersionClock } from './version-clock.js';

const START_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;

/** A store of small values whose writes can be held back or fail. */
class MetaStore {
  readonly durable = new Map<string, string>();
  writes = 0;
  failure: Error | undefined;
  private held: (() => void)[] | undefined;

  async getMeta(name: string): Promise<string | undefined> {
    return this.durable.get(name);
  }

  async putMeta(name: string, value: string): Promise<void> {
    this.writes++;
    if (this.held) {
      await new Promise<void>((resolve) => this.held?.push(resolve));
    }
    if (this.failure) {
      throw this.failure;
    }
    this.durable.set(name, value);
  }

  hold(): void {
    this.held = [];
  }

  release(): void {
    const waiting = this.held ?? [];
    this.held = undefined;
    waiting.forEach((resolve) => resolve());
  }

  /** The upper bound that is on disk. */
  get boundMs(): number {
    return Number(this.durable.get('clock-bound'));
  }
}

let store: MetaStore;
let clock: ManualClock;

beforeEach(() => {
  store = new MetaStore();
  clock = new ManualClock(START_MS);
});

/** A node's start, with the machine's clock at `nowMs`. */
async function boot(nowMs = START_MS, nodeId = 'a'): Promise<VersionClock> {
  clock = new ManualClock(nowMs);
  return VersionClock.open(nodeId, clock, store);
}

async function stamp(versions: VersionClock, seen?: Version): Promise<Version> {
  await versions.reserve(seen);
  return versions.next(seen);
}

function foreign(physicalMs: number, counter = 0): Version {
  return formatVersion({ physicalMs, counter, nodeId: 'z', boot: 1 });
}

/** A new folder may stand for one that was lost: it counts from the seconds since 1970. */
const FIRST_BOOT = Math.floor(START_MS / 1000) + 1;

describe('a version', () => {
  it('carries the time, the node and its start', async () => {
    expect(parseVersion(await stamp(await boot()))).toEqual({
      physicalMs: START_MS,
      counter: 0,
      nodeId: 'a',
      boot: FIRST_BOOT,
    });
  });

  it('is above the one before within a millisecond', async () => {
    const versions = await boot();
    const stamped = [await stamp(versions), versions.next(undefined), versions.next(undefined)];
    expect(stamped.map((version) => parseVersion(version).counter)).toEqual([0, 1, 2]);
  });

  it('begins to count anew with the next millisecond', async () => {
    const versions = await boot();
    await stamp(versions);
    versions.next(undefined);
    clock.advance(1);
    expect(parseVersion(versions.next(undefined))).toMatchObject({ physicalMs: START_MS + 1, counter: 0 });
  });

  it.each([
    ['older', START_MS - HOUR_MS, 9],
    ['of this millisecond, with a higher counter', START_MS, 9],
    ['of this millisecond, with the highest counter', START_MS, COUNTER_MAX],
    ['from a clock ahead', START_MS + 300, 9],
    ['from a clock ahead, with the highest counter', START_MS + 300, COUNTER_MAX],
    ['from as far ahead as clocks in tolerance can make it', START_MS + 1_400, 0],
  ])('is above one seen that is %s, and above its own before', async (_, physicalMs, counter) => {
    const versions = await boot();
    const before = await stamp(versions);
    const seen = foreign(physicalMs, counter);
    const version = await stamp(versions, seen);
    expect(version > seen).toBe(true);
    expect(version > before).toBe(true);
    expect(versions.next(undefined) > version).toBe(true);
  });

  it('stays near the time: a version seen from the past moves nothing', async () => {
    const versions = await boot();
    expect(physicalMsOf(await stamp(versions, foreign(START_MS - HOUR_MS, 7)))).toBe(START_MS);
  });

  it('goes on into the next millisecond when a counter is full', async () => {
    const versions = await boot();
    const last = await stamp(versions, foreign(START_MS, COUNTER_MAX - 1));
    expect(parseVersion(last)).toMatchObject({ physicalMs: START_MS, counter: COUNTER_MAX });
    expect(parseVersion(versions.next(undefined))).toMatchObject({ physicalMs: START_MS + 1, counter: 0 });
  });
});

describe('a version from further ahead than clocks in tolerance can make it', () => {
  const FAR_MS = START_MS + HOUR_MS;

  it.each([
    ['is not far', START_MS + 1_400, false],
    ['is far', START_MS + 1_401, true],
    ['is far', FAR_MS, true],
    ['is not far', START_MS - HOUR_MS, false],
  ])('%s: %i', async (_, physicalMs, far) => {
    expect((await boot()).isFarAhead(foreign(physicalMs))).toBe(far);
  });

  it('is passed by the next write of its key', async () => {
    const seen = foreign(FAR_MS, COUNTER_MAX);
    expect((await stamp(await boot(), seen)) > seen).toBe(true);
  });

  it.each([
    ['the same version', () => [0, 0, 0, 0]],
    ['versions that come closer', () => [9, 5, 3, 0]],
    ['versions that go further', () => [0, 1, 5, 9]],
    ['versions with a full counter', () => Array.from({ length: 4 }, () => COUNTER_MAX)],
  ])('is passed by each of several writes, by another version each time: above %s', async (_, counters) => {
    const versions = await boot();
    await versions.reserve();
    const seen = counters().map((counter) => foreign(FAR_MS, counter));
    const stamped = seen.map((version) => versions.next(version));
    expect(stamped.filter((version, index) => version <= seen[index]!)).toEqual([]);
    expect(new Set(stamped).size).toBe(4);
    expect([...stamped].sort()).toEqual(stamped);
  });

  it('is passed by other versions for each of two that are far apart, and then again', async () => {
    const versions = await boot();
    await versions.reserve();
    const random = new SimRandom('far');
    const seen = Array.from({ length: 500 }, () => foreign(FAR_MS + random.int(3), random.int(4)));
    const stamped = seen.map((version) => versions.next(version));
    expect(stamped.filter((version, index) => version <= seen[index]!)).toEqual([]);
    expect(stamped.filter((version, index) => index > 0 && version <= stamped[index - 1]!)).toEqual([]);
  });

  it('is passed after a restart by another version than before it', async () => {
    const before = await stamp(await boot(), foreign(FAR_MS));
    const after = await stamp(await boot(), foreign(FAR_MS));
    expect(after > before).toBe(true);
  });

  it('does not drag the clock along: other keys stay near the time', async () => {
    const versions = await boot();
    await stamp(versions, foreign(FAR_MS));
    versions.observe(foreign(FAR_MS));
    expect(physicalMsOf(await stamp(versions))).toBe(START_MS);
    expect(store.boundMs).toBeLessThan(START_MS + 1_000);
  });
});

describe('a version that is observed', () => {
  it.each([
    [
      'from a little ahead lifts the clock above it',
      START_MS + 100,
      7,
      { physicalMs: START_MS + 100, counter: 8 },
    ],
    ['of the past changes nothing', START_MS - 100, 7, { physicalMs: START_MS, counter: 1 }],
  ])('%s', async (_, physicalMs, counter, next) => {
    const versions = await boot();
    await stamp(versions);
    versions.observe(foreign(physicalMs, counter));
    expect(parseVersion(versions.next(undefined))).toMatchObject(next);
  });
});

describe('to stamp with room made for it', () => {
  it('needs no more than the call', async () => {
    const versions = await boot();
    expect(parseVersion(await versions.stamp())).toMatchObject({ physicalMs: START_MS, counter: 0 });
    expect(parseVersion(await versions.stamp(''))).toMatchObject({ physicalMs: START_MS, counter: 1 });
  });

  it.each([
    ['of the past', START_MS - HOUR_MS, 3],
    ['of this moment', START_MS, COUNTER_MAX],
    ['from a clock ahead, past the bound', START_MS + 1_400, COUNTER_MAX],
    ['from far ahead', START_MS + HOUR_MS, COUNTER_MAX],
  ])('is above a version %s', async (_, physicalMs, counter) => {
    const versions = await boot();
    const before = await versions.stamp();
    const seen = foreign(physicalMs, counter);
    const version = await versions.stamp(seen);
    expect(version > seen && version > before).toBe(true);
    expect((await versions.stamp(seen)) > version).toBe(true);
  });

  it('makes room again when a version came in meanwhile that took it', async () => {
    const versions = await boot();
    const before = await versions.stamp();
    const stamping = versions.stamp(foreign(store.boundMs - 2, 0));
    const seen = foreign(store.boundMs - 1, COUNTER_MAX);
    versions.observe(seen);
    expect(caught(() => versions.next(undefined)).code).toBe('DKV_NOT_READY');
    const version = await stamping;
    expect(version > seen && version > before).toBe(true);
    expect(physicalMsOf(version)).toBeLessThan(store.boundMs);
  });

  it('gives many who ask at a time versions of their own', async () => {
    const versions = await boot();
    const seen = Array.from({ length: 200 }, (_, at) =>
      at % 3 === 0 ? foreign(START_MS + 5 * at, at) : undefined,
    );
    const stamped = await Promise.all(seen.map(async (version) => versions.stamp(version)));
    expect(new Set(stamped).size).toBe(200);
    expect(stamped.filter((version, index) => version <= (seen[index] ?? ''))).toEqual([]);
  });

  it('fails as the disk does, stamps nothing, and goes on when it is mended', async () => {
    const versions = await boot();
    store.failure = new Error('disk full');
    await expect(versions.stamp()).rejects.toThrow('disk full');
    store.failure = undefined;
    expect(parseVersion(await versions.stamp())).toMatchObject({ physicalMs: START_MS, counter: 0 });
  });
});

it('makes the version of a join right above its newer side, in the name of this node and start', async () => {
  await boot();
  const versions = await boot();
  const newer = foreign(START_MS, 5);
  expect(versions.joinOf(newer)).toBe(joinVersion(newer, 'a', FIRST_BOOT + 1));
});

describe('the bound on disk', () => {
  it('is there before anything is stamped', async () => {
    const versions = await boot();
    expect(caught(() => versions.next(undefined)).code).toBe('DKV_NOT_READY');
    store.hold();
    const reserved = versions.reserve();
    await microtasks();
    expect(caught(() => versions.next(undefined)).code).toBe('DKV_NOT_READY');
    store.release();
    await reserved;
    expect(physicalMsOf(versions.next(undefined))).toBeLessThan(store.boundMs);
  });

  it('is never reached by a version, however the time runs', async () => {
    const versions = await boot();
    const random = new SimRandom('bound');
    for (let step = 0; step < 2_000; step++) {
      clock.advance(random.pick([0, 0, 1, 50, 149, 150, 399, 400, 1_000]));
      const seen = random.chance(0.2)
        ? foreign(clock.now() + random.int(900), random.int(COUNTER_MAX))
        : undefined;
      const version = await stamp(versions, seen);
      expect(physicalMsOf(version)).toBeLessThan(store.boundMs);
    }
  });

  it('holds a version back a little when the clock has run past it', async () => {
    const versions = await boot();
    const first = await stamp(versions);
    clock.advance(10_000);
    const late = versions.next(undefined);
    expect(late > first).toBe(true);
    expect(physicalMsOf(late)).toBe(store.boundMs - 1);
    expect(parseVersion(await stamp(versions))).toMatchObject({ physicalMs: START_MS + 10_000, counter: 0 });
  });

  it('that leaves no room is told, and costs no version', async () => {
    const versions = await boot();
    const first = await stamp(versions);
    const seen = foreign(store.boundMs - 1, COUNTER_MAX);
    expect(caught(() => versions.next(seen)).code).toBe('DKV_NOT_READY');
    const version = await stamp(versions, seen);
    expect(version > seen && version > first).toBe(true);
  });

  it('that cannot be written stops stamping, and only until it can', async () => {
    const versions = await boot();
    store.failure = new Error('disk full');
    await expect(versions.reserve()).rejects.toThrow('disk full');
    expect(caught(() => versions.next(undefined)).code).toBe('DKV_NOT_READY');
    store.failure = undefined;
    expect(physicalMsOf(await stamp(versions))).toBe(START_MS);
  });

  it('is written once for many who ask at a time', async () => {
    const versions = await boot();
    const before = store.writes;
    await Promise.all(Array.from({ length: 1_000 }, () => versions.reserve()));
    expect(store.writes - before).toBe(1);
  });

  it('is written a few times a second under steady work, not once a write', async () => {
    const versions = await boot();
    const before = store.writes;
    for (let ms = 0; ms < 1_000; ms++) {
      clock.advance(1);
      await stamp(versions);
    }
    expect(store.writes - before).toBeLessThanOrEqual(5);
  });

  it('makes room for each of many who saw versions from ahead', async () => {
    const versions = await boot();
    const seen = [0, 100, 900, 300, 600].map((aheadMs) => foreign(START_MS + aheadMs));
    await Promise.all(seen.map((version) => versions.reserve(version)));
    const stamped = seen.map((version) => versions.next(version));
    expect(stamped.every((version, index) => version > seen[index]!)).toBe(true);
    expect(new Set(stamped).size).toBe(5);
  });

  it('leads the clock by less than a peer tolerates, so that a crash does not shut the node out', async () => {
    await (await boot()).reserve();
    expect(store.boundMs - START_MS).toBeLessThanOrEqual(VersionClock.leadMs);
    expect(VersionClock.leadMs).toBeLessThan(500);
  });
});

describe('a restart', () => {
  it('counts, durably, before anything is stamped', async () => {
    for (const expected of [FIRST_BOOT, FIRST_BOOT + 1, FIRST_BOOT + 2]) {
      const versions = await boot();
      expect(parseVersion(await stamp(versions)).boot).toBe(expected);
    }
    store.hold();
    let opened = false;
    const opening = boot().then(() => (opened = true));
    await microtasks();
    expect(opened).toBe(false);
    store.release();
    await opening;
  });

  it.each([
    ['set back an hour', -HOUR_MS],
    ['standing still', 0],
    ['a millisecond on', 1],
    ['an hour on', HOUR_MS],
  ])('with the clock %s stamps above all before', async (_, jumpMs) => {
    const versions = await boot();
    const before = [
      await stamp(versions),
      versions.next(undefined),
      await stamp(versions, foreign(START_MS + 300, 5)),
    ];
    const after = await stamp(await boot(START_MS + jumpMs));
    expect(before.filter((version) => version >= after)).toEqual([]);
  });

  it('right after a bound was raised, nothing stamped under it, stamps above it all the same', async () => {
    await (await boot()).reserve();
    const { boundMs } = store;
    expect(physicalMsOf(await stamp(await boot(START_MS - HOUR_MS)))).toBeGreaterThanOrEqual(boundMs);
  });

  it('never brings a version back, over many restarts with any clock', async () => {
    const random = new SimRandom('restarts');
    const all: Version[] = [];
    for (let start = 0; start < 200; start++) {
      const versions = await boot(START_MS + random.int(HOUR_MS) - HOUR_MS / 2);
      for (let count = random.int(5); count > 0; count--) {
        clock.advance(random.pick([0, 1, 500]));
        all.push(
          await stamp(versions, random.chance(0.2) ? foreign(clock.now() + random.int(1_000)) : undefined),
        );
      }
    }
    const back = all.filter((version, index) => index > 0 && version <= all[index - 1]!);
    expect(all.length).toBeGreaterThan(300);
    expect(back).toEqual([]);
  });
});

it('gives two nodes different versions at the same moment', async () => {
  const a = await stamp(await boot(START_MS, 'a'));
  store = new MetaStore();
  const b = await stamp(await boot(START_MS, 'b'));
  expect(a < b).toBe(true);
});
