/** The grow-only set: a union that has one form, whatever order and form its members came in. */
import { describe, expect, it } from 'vitest';
import { assertMergerLaws } from '../../testing/merger-laws.js';
import { type SimRandom } from '../../testing/simulation/sim-random.js';
import { JsonCodec } from '../codec/json-codec.js';
import { MsgpackCodec } from '../codec/msgpack-codec.js';
import { type Codec } from '../ports/codec.js';
import { GrowOnlySet, GrowOnlySetMerger } from './grow-only-set-merger.js';

const merger = new GrowOnlySetMerger();
const side = (value: GrowOnlySet<unknown>, version = 'v') => ({ value, version, modified: 0 });
const join = (a: readonly unknown[], b: readonly unknown[]) => merger.merge(side(a), side(b));

const MEMBERS = [null, true, 0, 7, -1.5, '', '7', 'ä', [], [1, [2]], {}, { b: 1, a: { d: [], c: null } }];

describe.each<[string, Codec<GrowOnlySet<unknown>>]>([
  ['msgpack', new MsgpackCodec()],
  ['json', new JsonCodec()],
])('a grow-only set in %s', (_, codec) => {
  it('keeps the laws of a merger, byte for byte', () => {
    const anySet = (random: SimRandom) => GrowOnlySet.of(MEMBERS.filter(() => random.chance(0.4)));
    assertMergerLaws(merger, anySet, { codec, bytewise: true });
  });

  it('has equal bytes for equal sets, however they were put together', () => {
    const one = GrowOnlySet.of([{ a: 1, b: { c: 2, d: 3 } }, 'x', 5]);
    const other = GrowOnlySet.add(GrowOnlySet.of<unknown>([5]), { b: { d: 3, c: 2 }, a: 1 }, 'x', 5);
    expect(codec.encode(other)).toEqual(codec.encode(one));
    expect(codec.decode(codec.encode(one))).toStrictEqual(one);
  });
});

describe('the join', () => {
  it('holds the members of both sides once', () => {
    expect(join(['b', 'c'], ['a', 'b'])).toEqual(['a', 'b', 'c']);
  });

  it.each<[string, unknown[], unknown[], unknown]>([
    ['a number from its text', [1], ['1'], ['1', 1]],
    ['a list from its item', [[1]], [1], [1, [1]]],
    ['nothing from an empty text', [null], [''], ['', null]],
  ])('tells %s', (_, a, b, union) => {
    expect(join(a, b)).toEqual(union);
  });

  it.each<[string, unknown, unknown]>([
    ['objects whose fields stand in another order', { a: 1, b: 2 }, { b: 2, a: 1 }],
    ['the two zeros, which the codecs do not tell apart', 0, -0],
  ])('takes for one member %s', (_, a, b) => {
    expect(join([a], [b])).toHaveLength(1);
    expect(GrowOnlySet.of([b, a])).toStrictEqual([a]);
  });

  it('is the incoming set itself when the other adds nothing, else the current when that holds all', () => {
    const [small, large, equal] = [GrowOnlySet.of(['a']), GrowOnlySet.of(['a', 'b']), GrowOnlySet.of(['a'])];
    expect(join(small, large)).toBe(large);
    expect(join(large, small)).toBe(large);
    expect(join(small, equal)).toBe(equal);
  });

  it.each([
    ['a list out of order', ['b', 'a'], ['a', 'b']],
    ['a list with a member twice', ['a', 'a'], ['a']],
    ['fields out of order', [{ b: 1, a: 1 }], [{ a: 1, b: 1 }]],
  ])('brings into canonical order %s', (_, given, canonical) => {
    const joined = join(given, given);
    expect(JSON.stringify(joined)).toBe(JSON.stringify(canonical));
  });

  it.each([
    ['an object', {}],
    ['a text', 'abc'],
    ['nothing', undefined],
    ['a Set', new Set()],
  ])('refuses a side that is %s', (_, value) => {
    const bad = side(value as never);
    expect(() => merger.merge(bad, side([]))).toThrow(/must be a list/);
    expect(() => merger.merge(side([]), bad)).toThrow(TypeError);
  });
});

describe('the functions on sets', () => {
  it('add without changing the set, and give the same set when nothing is new', () => {
    const set = Object.freeze(GrowOnlySet.of(['b']));
    expect(GrowOnlySet.add(set, 'a')).toEqual(['a', 'b']);
    expect(GrowOnlySet.add(set, 'b')).toBe(set);
    expect(GrowOnlySet.add(set)).toBe(set);
  });

  it('find a member by its content', () => {
    const set = GrowOnlySet.of<unknown>([{ a: 1, b: 2 }, 3]);
    expect(GrowOnlySet.has(set, { b: 2, a: 1 })).toBe(true);
    expect(GrowOnlySet.has(set, '3')).toBe(false);
  });

  it.each<[string, unknown]>([
    ['a date', new Date(0)],
    ['a Map', new Map()],
    ['bytes', new Uint8Array(1)],
    ['a bigint', 1n],
    ['not a number', Number.NaN],
    ['no end', Infinity],
    ['undefined', undefined],
    ['a function', () => 1],
    ['an undefined field', { a: undefined }],
    ['a hole in a list', new Array(1)],
    ['a field __proto__', JSON.parse('{"__proto__":{"admin":true}}') as unknown],
    ['one deep within', [{ a: [new Date(0)] }]],
  ])('refuse as a member %s', (_, member) => {
    expect(() => GrowOnlySet.of([member])).toThrow(/must be JSON data/);
    expect(() => GrowOnlySet.add<unknown>([], member)).toThrow(TypeError);
    expect(() => join([member], [])).toThrow(TypeError);
  });
});
