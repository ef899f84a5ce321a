/** The check of a merger's laws: it finds each breach, names it, and is silent on mergers that keep them. */
import { describe, expect, it } from 'vitest';
import { BytesCodec } from '../src/codec/bytes-codec.js';
import { JsonCodec } from '../src/codec/json-codec.js';
import { GrowOnlySet, GrowOnlySetMerger } from '../src/merger/grow-only-set-merger.js';
import { LastWriteWinsMerger } from '../src/merger/last-write-wins-merger.js';
import { ObservedRemoveMap, ObservedRemoveMapMerger } from '../src/merger/observed-remove-map-merger.js';
import { PnCounter, PnCounterMerger } from '../src/merger/pn-counter-merger.js';
import { type Codec } from '../src/ports/codec.js';
import { type Merger, type MergeSide } from '../src/ports/merger.js';
import { assertMergerLaws, checkMergerLaws, type MergerLaw, type MergerSamples } from './merger-laws.js';
import { type SimRandom } from './simulation/sim-random.js';

/** A merger that looks at values only. */
const of = <V>(merge: (a: V, b: V) => V): Merger<V> => ({
  merge: (current, incoming) => merge(current.value, incoming.value),
});
const broken = <V>(merger: Merger<V>, samples: MergerSamples<V>, options = {}): MergerLaw[] =>
  checkMergerLaws(merger, samples, options)
    .map(({ law }) => law)
    .sort();

const NUMBERS = [1, 2, 5];
const TEXTS = ['x', 'y', 'xy'];

describe('a breach is found', () => {
  it.each<[string, Merger<number>, MergerLaw[]]>([
    ['subtraction', of((a, b) => a - b), ['associative', 'commutative', 'idempotent']],
    ['addition', of((a, b) => a + b), ['idempotent']],
    ['the average', of((a, b) => (a + b) / 2), ['associative']],
    ['the current side', of((a) => a), ['commutative']],
    ['the incoming side', of((_, b) => b), ['commutative']],
    ['a result that no codec carries', of<number>(() => Symbol('none') as never), ['stable']],
    [
      'a merger that throws',
      of((a, b) => {
        if (a !== b) {
          throw new RangeError('unlike');
        }
        return a;
      }),
      ['total'],
    ],
  ])('and no other: %s', (_, merger, laws) => {
    expect(broken(merger, NUMBERS)).toEqual(laws);
  });

  it('in a merger that remembers', () => {
    let calls = 0;
    expect(
      broken(
        of<number>((a, b) => Math.max(a, b) + calls++),
        NUMBERS,
      ),
    ).toContain('pure');
  });

  it('in joining texts', () => {
    expect(
      broken(
        of<string>((a, b) => a + b),
        TEXTS,
      ),
    ).toEqual(['commutative', 'idempotent']);
  });

  it.each<[string, Merger<number[]>]>([
    ['the current side', of((a, b) => (a.push(...b.filter((item) => !a.includes(item))), a.sort()))],
    ['the incoming side', of((a, b) => (b.push(...a.filter((item) => !b.includes(item))), b.sort()))],
  ])('when it changes %s', (name, merger) => {
    const violations = checkMergerLaws(merger, [[1], [2], [1, 3]]);
    expect(violations.map(({ law }) => law)).toEqual(['pure']);
    expect(violations[0]!.message).toContain(name.slice(4));
  });

  it('when it changes a Map, which cannot be frozen', () => {
    const merger = of<Map<string, number>>((a, b) => (b.forEach((value, key) => a.set(key, value)), b));
    expect(broken(merger, [new Map([['a', 1]]), new Map([['b', 1]])])).toContain('pure');
  });

  it('when a side itself is changed', () => {
    const merger: Merger<number> = {
      merge: (current, incoming) => {
        (current as { value: number }).value = Math.max(current.value, incoming.value);
        return current.value;
      },
    };
    expect(broken(merger, NUMBERS)).toEqual(['total']);
  });

  it('in a set whose order depends on who met whom, when bytes are looked at', () => {
    const union = of<Set<number>>((a, b) => new Set([...a, ...b]));
    const samples = [new Set([1]), new Set([2]), new Set([3, 1])];
    expect(broken(union, samples)).toEqual([]);
    expect(broken(union, samples, { bytewise: true })).toEqual(['commutative']);
  });

  it('in samples or results that the codec does not bring back', () => {
    const newest = new LastWriteWinsMerger<unknown>();
    expect(broken(newest, [new Date(0)], { codec: new JsonCodec() })).toEqual(['stable']);
    expect(broken(newest, [1n, 2], { codec: new JsonCodec() })).toEqual(['stable']);
    expect(broken(newest, [new Date(0), 1n])).toEqual([]);
    const withHole = of<object>(() => ({ a: undefined }));
    expect(broken(withHole, [{}], { codec: new JsonCodec() })).toEqual(['stable']);
  });

  it('when two versions of one value give another', () => {
    const merger: Merger<number> = {
      merge: (a, b) => (a.version === b.version ? a.value : Math.max(a.value, b.value) + 1),
    };
    expect(broken(merger, [1])).toEqual(['idempotent']);
  });

  it('in a merger that lets the version of a join decide', () => {
    // The join of a high score and a newer low one is newer than both: a tie with it is lost by who came between.
    interface Score {
      readonly points: number;
      readonly by: string;
    }
    const newestOfBest: Merger<Score> = {
      merge: (current, incoming) => {
        const [older, newer] =
          current.version < incoming.version
            ? [current.value, incoming.value]
            : [incoming.value, current.value];
        return older.points > newer.points ? older : newer;
      },
    };
    const scores = (random: SimRandom) => ({ points: random.int(3), by: random.pick(['x', 'y', 'z']) });
    expect(broken(newestOfBest, scores)).toEqual(['associative']);
  });
});

describe('mergers that keep the laws pass', () => {
  it.each<[string, Merger<number>]>([
    ['the larger', of(Math.max)],
    ['the smaller', of(Math.min)],
    ['always the same', of(() => 1)],
    ['the newest', new LastWriteWinsMerger<number>()],
  ])('%s', (name, merger) => {
    expect(broken(merger, name === 'always the same' ? [1] : (random: SimRandom) => random.int(10))).toEqual(
      [],
    );
  });

  it('the newest, of whatever values, with every codec', () => {
    const bytes = (random: SimRandom) => new Uint8Array(random.bytes(random.int(4)));
    assertMergerLaws(new LastWriteWinsMerger<Uint8Array>(), bytes, {
      codec: new BytesCodec(),
      bytewise: true,
    });
    const texts = (random: SimRandom) => `text ${random.int(5)}`;
    assertMergerLaws(new LastWriteWinsMerger<string>(), texts, { codec: new JsonCodec(), bytewise: true });
  });

  it('those of this library', () => {
    const names = ['a', 'b', 'c'];
    assertMergerLaws(new GrowOnlySetMerger<number>(), (random) =>
      GrowOnlySet.of(Array.from({ length: random.int(5) }, () => random.int(9))),
    );
    assertMergerLaws(new PnCounterMerger(), (random) =>
      names.reduce((sum, name) => PnCounter.add(sum, name, random.int(7) - 3), PnCounter.empty()),
    );
    assertMergerLaws(new ObservedRemoveMapMerger<number>(), (random) => {
      const replica = random.pick(names);
      const map = ObservedRemoveMap.set(ObservedRemoveMap.empty<number>(), 'x', 1, { replica, counter: 1 });
      return random.chance(0.5) ? ObservedRemoveMap.delete(map, 'x') : map;
    });
  });
});

describe('the counterexample', () => {
  const average = of<number>((a, b) => (a + b) / 2);

  it('names the law, both results, the values and their ages', () => {
    const [violation] = checkMergerLaws(average, [0, 1]);
    expect(violation!.values).toEqual([0, 0, 1]);
    expect(violation!.message).toMatch(
      /^not associative: merge\(merge\(a, b\), c\) is 0\.5, but merge\(a, merge\(b, c\)\) is 0\.25, where a = 0, b = 0, c = 1 \(.* from old to new\)$/,
    );
  });

  it('is the smallest met', () => {
    const concatenation = of<string>((a, b) => a + b);
    const samples = ['a long text', 'x', 'another long text', 'y'];
    const violation = checkMergerLaws(concatenation, samples).find(({ law }) => law === 'commutative');
    expect([...violation!.values].sort()).toEqual(['x', 'y']);
  });

  it('is the same for the same seed', () => {
    const samples = (random: SimRandom) => random.int(1000);
    const find = (seed: number) => checkMergerLaws(average, samples, { seed, sampleCount: 40, casesMax: 50 });
    expect(find(7)).toEqual(find(7));
    expect(find(7)).not.toEqual(find(8));
  });

  it('is what the assertion throws, with the merger and the seed', () => {
    class AveragingMerger implements Merger<number> {
      merge(current: MergeSide<number>, incoming: MergeSide<number>): number {
        return (current.value + incoming.value) / 2;
      }
    }
    expect(() => assertMergerLaws(new AveragingMerger(), [0, 1], { seed: 'x' })).toThrow(
      /^AveragingMerger breaks laws \(seed 'x'\):\n- not associative: /,
    );
    expect(() => assertMergerLaws(average, [0, 1])).toThrow(/^The merger breaks laws \(seed 1\):/);
  });
});

describe('the check', () => {
  it('merges no sample itself, and leaves the samples as they were', () => {
    const samples = [Object.freeze([1]), Object.freeze([2])];
    const seen = new Set<unknown>();
    const spy = of<readonly number[]>((a, b) => (seen.add(a), a[0]! > b[0]! ? a : b));
    expect(checkMergerLaws(spy, samples)).toEqual([]);
    expect(samples.some((sample) => seen.has(sample))).toBe(false);
  });

  it('tries no more cases than it was told', () => {
    let merges = 0;
    const counting = of<number>((a, b) => (merges++, Math.max(a, b)));
    const samples = Array.from({ length: 100 }, (_, index) => index);
    checkMergerLaws(counting, samples, { casesMax: 10 });
    // Three of each sample alone, four of each pair, four of each triple.
    expect(merges).toBe(100 * 3 + 10 * 4 + 10 * 4);
  });

  it('compares as it is told', () => {
    const rounding: Codec<number> = {
      name: 'rounding',
      encode: (value) => Uint8Array.of(Math.round(value)),
      decode: (bytes) => bytes[0]!,
    };
    const options = { codec: rounding, equals: (a: number, b: number) => Math.abs(a - b) <= 1 };
    expect(broken(of(Math.max), [1.2, 2, 7], options)).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    ['no samples', () => checkMergerLaws(of(Math.max), [])],
    ['none to generate', () => checkMergerLaws(of(Math.max), () => 1, { sampleCount: 0 })],
    ['half a case', () => checkMergerLaws(of(Math.max), [1], { casesMax: 0.5 })],
  ])('refuses %s', (_, check) => {
    expect(check).toThrow(TypeError);
  });
});
