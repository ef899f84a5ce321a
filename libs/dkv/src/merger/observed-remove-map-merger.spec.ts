/** The observed-remove map: what a history of sets, deletes and meetings leaves, told from the history itself. */
import { describe, expect, it } from 'vitest';
import { assertMergerLaws, checkMergerLaws } from '../../testing/merger-laws.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { JsonCodec } from '../codec/json-codec.js';
import { MsgpackCodec } from '../codec/msgpack-codec.js';
import { type Codec } from '../ports/codec.js';
import { type Merger } from '../ports/merger.js';
import { ObservedRemoveMap, ObservedRemoveMapMerger, type Tag } from './observed-remove-map-merger.js';

type Value = number | string | { readonly by: string };
type OrMap = ObservedRemoveMap<Value>;

const merger = new ObservedRemoveMapMerger<Value>();
const side = (value: OrMap) => ({ value, version: 'v', modified: 0 });
const join = (a: OrMap, b: OrMap) => merger.merge(side(a), side(b));
const empty: OrMap = ObservedRemoveMap.empty();
const tag = (replica: string, counter: number): Tag => ({ replica, counter });
const setBy = (map: OrMap, replica: string, field: string, value: Value) =>
  ObservedRemoveMap.set(map, field, value, ObservedRemoveMap.nextTag(map, replica));

const FIELDS = ['x', 'y', '__proto__', 'constructor', '', '7'];

/** One set, and what was known where it was made. */
interface KnownSet {
  readonly field: string;
  readonly value: Value;
}

/** A replica: its map, and beside it the sets and the supersessions that it knows of, each by the set's number. */
interface Replica {
  readonly name: string;
  map: OrMap;
  readonly known: Set<number>;
  readonly superseded: Set<number>;
}

/** Replicas that set, delete and meet at random. A replica writes from what it holds, or from what it held before. */
class History {
  readonly sets: KnownSet[] = [];
  readonly replicas: Replica[];

  constructor(
    private readonly random: SimRandom,
    names: readonly string[],
    private readonly codec: Codec<OrMap> = new MsgpackCodec<OrMap>(),
  ) {
    this.replicas = names.map((name) => ({ name, map: empty, known: new Set(), superseded: new Set() }));
  }

  step(): void {
    const replica = this.random.pick(this.replicas);
    const field = this.random.pick(FIELDS);
    if (this.random.chance(0.4)) {
      this.supersede(replica, field);
      const value = this.random.pick<Value>([1, 'one', { by: replica.name }]);
      replica.map = setBy(replica.map, replica.name, field, value);
      replica.known.add(this.sets.push({ field, value }) - 1);
    } else if (this.random.chance(0.4)) {
      this.supersede(replica, field);
      replica.map = ObservedRemoveMap.delete(replica.map, field);
    } else {
      this.meet(replica, this.random.pick(this.replicas));
    }
    replica.map = this.codec.decode(this.codec.encode(replica.map));
  }

  meet(to: Replica, from: Replica): void {
    to.map = join(to.map, from.map);
    from.known.forEach((number) => to.known.add(number));
    from.superseded.forEach((number) => to.superseded.add(number));
  }

  /** The values of `field` that should stand at `replica`, as sorted text. */
  expected(replica: Replica, field: string): string[] {
    return [...replica.known]
      .filter((number) => !replica.superseded.has(number))
      .map((number) => this.sets[number]!)
      .filter((set) => set.field === field)
      .map(({ value }) => JSON.stringify(value))
      .sort();
  }

  private supersede(replica: Replica, field: string): void {
    replica.known.forEach((number) => {
      if (this.sets[number]!.field === field) {
        replica.superseded.add(number);
      }
    });
  }
}

describe.each<[string, Codec<OrMap>]>([
  ['msgpack', new MsgpackCodec<OrMap>()],
  ['json', new JsonCodec<OrMap>()],
])('an observed-remove map in %s', (_, codec) => {
  it('keeps the laws of a merger, byte for byte', () => {
    const history = new History(new SimRandom('laws'), ['a', 'b', '__proto__'], codec);
    const samples = Array.from({ length: 12 }, () => {
      Array.from({ length: 5 }, () => history.step());
      return history.replicas.map(({ map }) => map);
    }).flat();
    assertMergerLaws(merger, samples, { codec, bytewise: true });
  });

  it('keeps the laws also where tags were used twice, for other values or other fields', () => {
    const careless = (random: SimRandom) =>
      Array.from({ length: 4 }).reduce<OrMap>((map) => {
        const used = tag(random.pick(['a', 'b']), 1 + random.int(6));
        const known = map.seen.some(([replica]) => replica === used.replica);
        return known ? map : ObservedRemoveMap.set(map, random.pick(['x', 'y']), random.int(3), used);
      }, empty);
    assertMergerLaws(merger, careless, { codec, bytewise: true, sampleCount: 30 });
  });

  it('would not be associative if it kept one of concurrent values only', () => {
    const highest: Merger<OrMap> = {
      merge: (current, incoming) => {
        const { entries, seen } = merger.merge(current, incoming);
        return { entries: entries.filter(([field], index) => entries[index + 1]?.[0] !== field), seen };
      },
    };
    const [a, b] = [setBy(empty, 'a', 'x', 1), setBy(empty, 'b', 'x', 2)];
    const laws = checkMergerLaws(highest, [a, b, ObservedRemoveMap.delete(b, 'x')], { codec });
    expect(laws.map(({ law }) => law)).toEqual(['associative']);
  });

  it.each([1, 2, 3, 4, 5])('holds what its history leaves, seed %i', (seed) => {
    const history = new History(new SimRandom(seed), ['a', 'b', 'c'], codec);
    for (let step = 0; step < 150; step++) {
      history.step();
      for (const replica of history.replicas) {
        for (const field of FIELDS) {
          const held = ObservedRemoveMap.siblings(replica.map, field).map((value) => JSON.stringify(value));
          expect(held.sort()).toEqual(history.expected(replica, field));
        }
      }
    }
    // The first meets all, then all meet the first: every replica knows everything.
    const [first, ...others] = history.replicas;
    others.forEach((other) => history.meet(first!, other));
    others.forEach((other) => history.meet(other, first!));
    const bytes = history.replicas.map(({ map }) => Buffer.from(codec.encode(map)).toString('hex'));
    expect(new Set(bytes).size).toBe(1);
  });

  it('does not grow by setting and deleting one field without end', () => {
    let [a, b] = [empty, empty];
    const sizes: number[] = [];
    for (let round = 0; round < 500; round++) {
      a = setBy(a, 'a', 'x', round);
      b = setBy(b, 'b', 'x', round);
      [a, b] = [join(a, b), join(b, a)];
      b = ObservedRemoveMap.delete(b, 'x');
      [a, b] = [join(a, b), join(b, a)];
      expect(a.entries).toEqual([]);
      sizes.push(codec.encode(a).byteLength);
    }
    // Only the digits of two numbers.
    expect(Math.max(...sizes)).toBeLessThanOrEqual(sizes[0]! + 8);
  });
});

describe('concurrency', () => {
  const base = setBy(setBy(empty, 'a', 'x', 'old'), 'a', 'y', 'kept');

  it('lets a set survive a delete that had not seen it', () => {
    const joined = join(ObservedRemoveMap.delete(base, 'x'), setBy(base, 'b', 'x', 'new'));
    expect(ObservedRemoveMap.siblings(joined, 'x')).toEqual(['new']);
  });

  it('lets a delete that had seen the set take it away, also from who still holds it', () => {
    expect([...ObservedRemoveMap.read(join(base, ObservedRemoveMap.delete(base, 'x')))]).toEqual([
      ['y', 'kept'],
    ]);
  });

  it('keeps both of two sets until the next, and reads the same one everywhere', () => {
    const [one, other] = [setBy(base, 'b', 'x', 'by b'), setBy(base, 'c', 'x', 'by c')];
    for (const joined of [join(one, other), join(other, one)]) {
      expect(ObservedRemoveMap.siblings(joined, 'x')).toEqual(['by b', 'by c']);
      expect(ObservedRemoveMap.get(joined, 'x')).toBe('by c');
      expect(ObservedRemoveMap.siblings(setBy(joined, 'a', 'x', 'last'), 'x')).toEqual(['last']);
    }
  });

  it('reads of concurrent values that with the highest counter, then replica', () => {
    const later = ObservedRemoveMap.set(empty, 'x', 'a 2', tag('a', 2));
    const earlier = ObservedRemoveMap.set(empty, 'x', 'b 1', tag('b', 1));
    expect(ObservedRemoveMap.get(join(earlier, later), 'x')).toBe('a 2');
  });

  it('loses neither of two writes of one replica that arrive apart, from the same map', () => {
    const first = ObservedRemoveMap.nextTag(base, 'a');
    const second = ObservedRemoveMap.nextTag(base, 'a', first);
    const [one, other] = [
      ObservedRemoveMap.set(base, 'x', 'first', first),
      ObservedRemoveMap.set(base, 'z', 'second', second),
    ];
    expect(other.seen).toEqual([['a', [1, 2, 4, 4]]]);
    const joined = join(other, one);
    expect([...ObservedRemoveMap.read(joined)]).toEqual([
      ['x', 'first'],
      ['y', 'kept'],
      ['z', 'second'],
    ]);
    expect(joined.seen).toEqual([['a', [1, 4]]]);
  });
});

describe('the functions on maps', () => {
  it('are the map itself where nothing changes', () => {
    const [map, equal] = [setBy(empty, 'a', 'x', { by: 'a' }), setBy(empty, 'a', 'x', { by: 'a' })];
    const later = setBy(map, 'a', 'y', 1);
    expect(ObservedRemoveMap.delete(map, 'y')).toBe(map);
    expect(join(map, later)).toBe(later);
    expect(join(later, map)).toBe(later);
    expect(join(map, equal)).toBe(equal);
  });

  it('take any text for a field or a replica', () => {
    const map = FIELDS.reduce((all, name) => setBy(all, name, name, name), empty);
    expect([...ObservedRemoveMap.read(map).keys()]).toEqual([...FIELDS].sort());
    expect(FIELDS.map((name) => ObservedRemoveMap.get(map, name))).toEqual(FIELDS);
    expect(ObservedRemoveMap.get(empty, 'constructor')).toBeUndefined();
  });

  it('give the fields in order, and keep what a field holds apart from its absence', () => {
    const map = ObservedRemoveMap.set<unknown>(ObservedRemoveMap.empty(), 'x', undefined, tag('a', 1));
    expect(ObservedRemoveMap.read(map).has('x')).toBe(true);
    expect(ObservedRemoveMap.siblings(map, 'x')).toEqual([undefined]);
  });

  it('refuse a tag that was used, also for what is deleted since', () => {
    const map = ObservedRemoveMap.delete(setBy(empty, 'a', 'x', 1), 'x');
    expect(() => ObservedRemoveMap.set(map, 'y', 1, tag('a', 1))).toThrow(/was used in this map/);
    expect(ObservedRemoveMap.nextTag(map, 'a')).toEqual(tag('a', 2));
    expect(ObservedRemoveMap.nextTag(map, 'a', tag('a', 8))).toEqual(tag('a', 9));
    expect(ObservedRemoveMap.nextTag(map, 'b')).toEqual(tag('b', 1));
    expect(() => ObservedRemoveMap.nextTag(map, 'a', tag('b', 1))).toThrow(TypeError);
  });

  it.each<[string, Tag]>([
    ['zero', tag('a', 0)],
    ['a fraction', tag('a', 1.5)],
    ['a text', tag('a', '1' as never)],
    ['past what is exact', tag('a', 2 ** 53)],
    ['of no replica', tag(undefined as never, 1)],
  ])('refuse a tag whose counter is %s', (_, bad) => {
    expect(() => ObservedRemoveMap.set(empty, 'x', 1, bad)).toThrow(/A tag must have/);
  });

  it('refuse a field that is no text', () => {
    expect(() => ObservedRemoveMap.set(empty, 5 as never, 1, tag('a', 1))).toThrow(TypeError);
  });
});

describe('what is no such map', () => {
  const seen = [['a', [1, 3]]];
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a list', []],
    ['without entries', { seen: [] }],
    ['without context', { entries: [] }],
    ['a context that is an object', { entries: [], seen: {} }],
    ['a replica without runs', { entries: [], seen: [['a']] }],
    ['a replica with no run', { entries: [], seen: [['a', []]] }],
    ['half a run', { entries: [], seen: [['a', [1]]] }],
    ['a run from 0', { entries: [], seen: [['a', [0, 1]]] }],
    ['a run backwards', { entries: [], seen: [['a', [2, 1]]] }],
    ['runs that touch', { entries: [], seen: [['a', [1, 2, 3, 4]]] }],
    ['a run in text', { entries: [], seen: [['a', ['1', '2']]] }],
    ['a replica twice', { entries: [], seen: [...seen, ...seen] }],
    ['an entry that is no list', { entries: ['x a1'], seen }],
    ['an entry without value', { entries: [['x', 'a', 1]], seen }],
    ['an entry whose field is a number', { entries: [[1, 'a', 1, 0]], seen }],
    ['an entry unseen', { entries: [['x', 'a', 4, 0]], seen }],
    ['an entry between the numbers', { entries: [['x', 'b', 1, 0]], seen }],
    [
      'entries out of order',
      {
        entries: [
          ['x', 'a', 2, 0],
          ['x', 'a', 1, 0],
        ],
        seen,
      },
    ],
  ])('is refused: %s', (_, value) => {
    const bad = value as OrMap;
    expect(() => join(bad, empty)).toThrow(TypeError);
    expect(() => join(empty, bad)).toThrow(/Not an observed-remove map/);
    expect(() => ObservedRemoveMap.read(bad)).toThrow(TypeError);
  });

  it('comes out in its one form when only the fields stand in another order, or there are more', () => {
    const map = setBy(empty, 'a', 'x', 1);
    const turned = { seen: map.seen, entries: map.entries, more: 1 };
    expect(JSON.stringify(join(turned, turned))).toBe(JSON.stringify(map));
  });
});
