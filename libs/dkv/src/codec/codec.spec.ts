/** The codecs: what comes back is what was given, and shares no memory with what is stored. */
import { describe, expect, it } from 'vitest';
import { type Codec } from '../ports/codec.js';
import { BytesCodec } from './bytes-codec.js';
import { JsonCodec } from './json-codec.js';
import { MsgpackCodec } from './msgpack-codec.js';

/** As another node decodes it: a codec of its own, the bytes in the middle of a larger buffer. */
function decodeElsewhere(codec: Codec, bytes: Uint8Array): unknown {
  const stored = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')]);
  return codec.decode(stored.subarray(6, 6 + bytes.length));
}

const PLAIN: [string, unknown][] = [
  ['null', null],
  ['a boolean', false],
  ['zero', 0],
  ['a fraction', 0.1],
  ['a large number', Number.MAX_SAFE_INTEGER],
  ['a negative number', -129],
  ['an empty text', ''],
  ['text of every width', 'aä€😀\0\n'],
  ['a long text', 'ä'.repeat(70_000)],
  ['an empty list', []],
  ['a list of lists', [[1], [[2, 'x']]]],
  ['an empty object', {}],
  ['an object', { id: 5, name: 'n', tags: ['a'], nested: { deep: { er: null } } }],
  ['a list of alike objects', Array.from({ length: 300 }, (_, n) => ({ n, [`field ${n}`]: n }))],
  ['an object with odd names', { '': 1, '1': 2, 'a b': 3, ä: 4, toString: 5, constructor: 6 }],
];

describe.each<[string, () => Codec]>([
  ['msgpack', () => new MsgpackCodec()],
  ['json', () => new JsonCodec()],
])('%s', (name, make) => {
  it('has the name under which it is known', () => {
    expect(make().name).toBe(name);
  });

  it.each(PLAIN)('brings back %s', (_, value) => {
    expect(decodeElsewhere(make(), make().encode(value))).toStrictEqual(value);
  });

  it('writes equal values as equal bytes, whatever was written before', () => {
    const value = { id: 5, tags: ['a', { deep: true }] };
    const busy = make();
    PLAIN.forEach(([, other]) => busy.encode(other));
    expect(Buffer.from(busy.encode(value))).toEqual(Buffer.from(make().encode(value)));
  });

  it('does not let __proto__ in a value replace a prototype', () => {
    const value = JSON.parse(
      '{"a":1,"__proto__":{"admin":true},"nested":{"__proto__":{"admin":true}}}',
    ) as object;
    const decoded = decodeElsewhere(make(), make().encode(value)) as {
      a: number;
      nested: object;
      admin?: boolean;
    };
    expect(decoded.a).toBe(1);
    for (const object of [decoded, decoded.nested, {}]) {
      expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
      expect('admin' in object).toBe(false);
    }
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['half a value', Buffer.from(make().encode({ id: 5, text: 'abcdef' })).subarray(0, 9)],
    ['a value with something behind', Buffer.concat([make().encode({ id: 5 }), Buffer.from('{}')])],
  ])('refuses %s', (_, bytes) => {
    expect(() => make().decode(bytes)).toThrow();
  });

  it('refuses what holds itself', () => {
    const value: Record<string, unknown> = {};
    value.self = value;
    expect(() => make().encode(value)).toThrow();
  });
});

describe('msgpack', () => {
  const codec = new MsgpackCodec();
  const back = (value: unknown) => decodeElsewhere(new MsgpackCodec(), codec.encode(value));

  it.each<[string, unknown]>([
    ['a date', new Date(1_700_000_000_123)],
    ['a date before 1970', new Date(-5)],
    ['the last date', new Date(8.64e15)],
    ['no date', new Date(Number.NaN)],
    [
      'a Map',
      new Map<unknown, unknown>([
        ['a', 1],
        [2, { b: 3 }],
        ['inner', new Map([['c', 4]])],
      ]),
    ],
    ['an empty Map', new Map()],
    ['a Map beside objects', { map: new Map([['a', 1]]), object: { a: 1 } }],
    ['a Set', new Set(['a', 2, null])],
    ['a small bigint', 5n],
    ['the largest bigint of 64 bits', 2n ** 63n - 1n],
    ['a larger bigint', -(2n ** 200n)],
    ['undefined', undefined],
    ['undefined fields', { a: undefined, b: null }],
    ['undefined items', [undefined, null, 1]],
    ['not a number, and no end', [Number.NaN, Infinity, -Infinity]],
    ['an integer that only a float holds', 2 ** 60],
  ])('brings back %s', (_, value) => {
    expect(back(value)).toStrictEqual(value);
  });

  it.each([0, 1, 255, 256, 65_536])('brings back %i bytes', (length) => {
    const bytes = Uint8Array.from({ length }, (_, index) => index);
    expect(
      Buffer.from(back({ bytes }) instanceof Object ? (back({ bytes }) as { bytes: Uint8Array }).bytes : []),
    ).toEqual(Buffer.from(bytes));
  });

  it.each([
    ['a Uint8Array', (bytes: Uint8Array) => bytes],
    ['a Buffer', (bytes: Uint8Array) => Buffer.from(bytes)],
  ])('gives bytes that may be changed without changing what is stored: %s', (_, make) => {
    const stored = Buffer.from(codec.encode({ bytes: make(new Uint8Array(5)) }));
    const before = stored.toString('hex');
    (codec.decode(stored) as { bytes: Uint8Array }).bytes.fill(0xff);
    expect(stored.toString('hex')).toBe(before);
  });

  it.each([
    ['the value', (value: { list: number[]; bytes: Uint8Array }) => value.list.push(9)],
    ['bytes in it', (value: { list: number[]; bytes: Uint8Array }) => value.bytes.fill(9)],
  ])('keeps what it wrote when the caller changes %s', (_, change) => {
    const value = { list: [1], bytes: new Uint8Array(3) };
    const encoded = codec.encode(value);
    const before = Buffer.from(encoded).toString('hex');
    change(value);
    codec.encode({ list: [5, 6, 7], bytes: new Uint8Array(300) });
    expect(Buffer.from(encoded).toString('hex')).toBe(before);
  });
});

describe('json', () => {
  const codec = new JsonCodec();

  it('writes text that other programs read', () => {
    expect(Buffer.from(codec.encode({ a: [1, 'ä'] })).toString()).toBe('{"a":[1,"ä"]}');
  });

  it.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol.iterator],
  ])('refuses %s, which has no JSON form, and says so', (_, value) => {
    expect(() => codec.encode(value)).toThrow(/has no JSON form/);
  });

  it('refuses a bigint, since it would come back as a number', () => {
    expect(() => codec.encode(5n)).toThrow(TypeError);
  });
});

describe('bytes', () => {
  const codec = new BytesCodec();

  it.each([
    ['none', new Uint8Array(0)],
    ['some', Uint8Array.of(0, 255, 128)],
    ['a Buffer', Buffer.from('text')],
    ['a part of a larger array', new Uint8Array(10).fill(7).subarray(3, 6)],
  ])('come back as they are: %s', (_, value) => {
    expect(Buffer.from(codec.decode(codec.encode(value)))).toEqual(Buffer.from(value));
  });

  it('stay as they were when the caller uses its buffer again', () => {
    const value = Buffer.from('text');
    const encoded = codec.encode(value);
    value.fill(0);
    expect(Buffer.from(encoded).toString()).toBe('text');
  });

  it('may be changed by who read them without changing what is stored', () => {
    const stored = Buffer.from('text');
    codec.decode(stored).fill(0);
    expect(stored.toString()).toBe('text');
  });

  it('do not go when others are given to a worker, many at a time or at odd lengths', () => {
    const values = Array.from({ length: 500 }, (_, n) => codec.decode(new Uint8Array(n % 101).fill(n)));
    try {
      structuredClone(values[0], { transfer: [values[0]!.buffer as ArrayBuffer] });
    } catch {
      // Later versions of Node say that it cannot be given away.
    }
    values.push(codec.decode(Uint8Array.of(1)));
    expect(values.map(({ length }) => length)).toEqual([
      ...Array.from({ length: 500 }, (_, n) => n % 101),
      1,
    ]);
    expect(values.every((value, n) => n === 500 || value.every((byte) => byte === n % 256))).toBe(true);
    expect(values.every(({ byteOffset }) => byteOffset % 8 === 0)).toBe(true);
  });

  it.each([['a text'], [5], [null], [[1, 2]], [new ArrayBuffer(2)]])('refuses %s', (value) => {
    expect(() => codec.encode(value as unknown as Uint8Array)).toThrow(TypeError);
  });
});
