/** The PN-counter: additions of all replicas count once each, in whatever order their counters meet. */
import { describe, expect, it } from 'vitest';
import { assertMergerLaws } from '../../testing/merger-laws.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { JsonCodec } from '../codec/json-codec.js';
import { MsgpackCodec } from '../codec/msgpack-codec.js';
import { type Codec } from '../ports/codec.js';
import { PnCounter, PnCounterMerger } from './pn-counter-merger.js';

const merger = new PnCounterMerger();
const side = (value: PnCounter) => ({ value, version: 'v', modified: 0 });
const join = (a: PnCounter, b: PnCounter) => merger.merge(side(a), side(b));
const counter = (plus: Record<string, number>, minus: Record<string, number> = {}) => ({ plus, minus });

/** Names that an object has of its own, that look like numbers, and that sort apart from how they are set. */
const REPLICAS = ['a', 'b', 'ab', '10', '9', 'constructor', 'toString', 'ä', '-'];

function anyCounter(random: SimRandom): PnCounter {
  return random
    .shuffle(REPLICAS)
    .slice(random.int(REPLICAS.length))
    .reduce((sum, replica) => PnCounter.add(sum, replica, random.int(9) - 4), PnCounter.empty());
}

describe.each<[string, Codec<PnCounter>]>([
  ['msgpack', new MsgpackCodec<PnCounter>()],
  ['json', new JsonCodec<PnCounter>()],
])('a counter in %s', (_, codec) => {
  it('keeps the laws of a merger, byte for byte', () => {
    assertMergerLaws(merger, anyCounter, { codec, bytewise: true });
  });

  it('counts each addition once among replicas that meet at random, and comes to equal bytes', () => {
    const random = new SimRandom('counter');
    const held = REPLICAS.map(() => PnCounter.empty());
    let total = 0;
    for (let step = 0; step < 400; step++) {
      const [to, from] = [random.int(held.length), random.int(held.length)];
      if (random.chance(0.5)) {
        const amount = random.int(21) - 10;
        held[to] = PnCounter.add(held[to]!, REPLICAS[to]!, amount);
        total += amount;
      } else {
        held[to] = codec.decode(codec.encode(join(held[to]!, held[from]!)));
      }
    }
    const joins = Array.from({ length: 5 }, () => random.shuffle(held).reduce(join));
    expect(joins.map(PnCounter.read)).toEqual(joins.map(() => total));
    expect(new Set(joins.map((joined) => Buffer.from(codec.encode(joined)).toString('hex'))).size).toBe(1);
  });
});

describe('the join', () => {
  it('takes the larger sum of each replica, of what was added and what was taken away', () => {
    const joined = join(counter({ a: 5, b: 1 }, { a: 1 }), counter({ b: 3, c: 2 }, { a: 2 }));
    expect(joined).toStrictEqual(counter({ a: 5, b: 3, c: 2 }, { a: 2 }));
    expect(PnCounter.read(joined)).toBe(8);
  });

  it('is the incoming counter itself when the other adds nothing, else the current when that holds all', () => {
    const [small, large, equal] = [counter({ a: 1 }), counter({ a: 1, b: 1 }), counter({ a: 1 })];
    expect(join(small, large)).toBe(large);
    expect(join(large, small)).toBe(large);
    expect(join(small, equal)).toBe(equal);
  });

  it.each([
    ['replicas out of order', counter({ b: 1, a: 1 }), '{"plus":{"a":1,"b":1},"minus":{}}'],
    ['minus before plus', { minus: {}, plus: { a: 1 } }, '{"plus":{"a":1},"minus":{}}'],
    ['a count of nothing', counter({ a: 0, b: 1 }), '{"plus":{"b":1},"minus":{}}'],
    ['fields that are none of its', { ...counter({ a: 1 }), x: 1 }, '{"plus":{"a":1},"minus":{}}'],
  ])('brings into its one form %s', (_, given, canonical) => {
    expect(JSON.stringify(join(given, given))).toBe(canonical);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
    ['one direction only', { plus: {} }],
    ['lists', { plus: [], minus: [] }],
    ['a count in text', counter({ a: '1' as never })],
    ['a negative count', counter({ a: -1 })],
    ['a fraction', counter({ a: 0.5 })],
    ['no number', counter({ a: Number.NaN })],
    ['a count past what is exact', counter({ a: 2 ** 53 })],
    ['a replica __proto__', JSON.parse('{"plus":{"__proto__":5},"minus":{}}')],
  ])('refuses a side that is or holds %s', (_, value) => {
    expect(() => join(value as PnCounter, PnCounter.empty())).toThrow(TypeError);
    expect(() => join(PnCounter.empty(), value as PnCounter)).toThrow(TypeError);
    expect(() => PnCounter.read(value as PnCounter)).toThrow(TypeError);
  });
});

describe('the functions on counters', () => {
  it('add and take away without changing the counter', () => {
    const start = Object.freeze(PnCounter.empty());
    const counted = PnCounter.add(PnCounter.add(PnCounter.add(start, 'b', 5), 'a', 2), 'b', -3);
    expect(counted).toStrictEqual(counter({ a: 2, b: 5 }, { b: 3 }));
    expect(PnCounter.read(counted)).toBe(4);
    expect(PnCounter.read(start)).toBe(0);
    expect(PnCounter.add(counted, 'c', 0)).toBe(counted);
  });

  it('read exactly what sums beyond the exact numbers differ by', () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(PnCounter.read(counter({ a: most, b: most, c: 4 }, { a: most, b: most, c: 1 }))).toBe(3);
  });

  it.each<[string, string, number]>([
    ['a fraction', 'a', 0.5],
    ['no number', 'a', Number.NaN],
    ['an amount past what is exact', 'a', 2 ** 53],
    ['a text', 'a', '1' as never],
    ['a replica without name', '', 1],
    ['a replica __proto__', '__proto__', 1],
    ['a replica that is no text', 5 as never, 1],
  ])('refuse %s', (_, replica, amount) => {
    expect(() => PnCounter.add(PnCounter.empty(), replica, amount)).toThrow(TypeError);
    expect(Object.getPrototypeOf(PnCounter.empty().plus)).toBe(Object.prototype);
  });

  it('refuse to count past what is exact', () => {
    const full = PnCounter.add(PnCounter.empty(), 'a', Number.MAX_SAFE_INTEGER);
    expect(() => PnCounter.add(full, 'a', 1)).toThrow(RangeError);
    expect(PnCounter.read(PnCounter.add(full, 'a', -1))).toBe(Number.MAX_SAFE_INTEGER - 1);
  });
});
