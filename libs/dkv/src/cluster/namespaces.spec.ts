/** The namespaces that a node was told of. */
import { describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { JsonCodec } from '../codec/json-codec.js';
import { LastWriteWinsMerger } from '../merger/last-write-wins-merger.js';
import { RecordMerger } from '../merger/record-merger.js';
import { type Namespace, Namespaces } from './namespaces.js';

const merger = new RecordMerger(new LastWriteWinsMerger(), new JsonCodec());

const namespace = (name: string, differing: Partial<Namespace> = {}): Namespace => ({
  name,
  mode: 'strong',
  copies: 3,
  codec: new JsonCodec(),
  merger,
  ...differing,
});

const namesOf = (namespaces: Namespaces) => [...namespaces].map(({ name }) => name);

describe('a namespace', () => {
  it('is found as it was given', () => {
    const carts = namespace('carts', { mode: 'eventual', copies: 2 });
    const namespaces = new Namespaces([namespace('default'), carts]);
    expect(namespaces.get('carts')).toBe(carts);
    expect(namespaces.find('carts')).toBe(carts);
  });

  it('that is added later is found too', () => {
    const namespaces = new Namespaces([namespace('default')]);
    namespaces.add(namespace('carts'));
    expect(namespaces.get('carts').name).toBe('carts');
    expect(namesOf(namespaces)).toEqual(['default', 'carts']);
  });

  it.each<[string, (name: string) => unknown]>([
    ['among those at first', (name) => new Namespaces([namespace(name), namespace(name)])],
    ['later', (name) => new Namespaces([namespace(name)]).add(namespace(name, { mode: 'eventual' }))],
  ])('is there once: a second one of its name %s is a mistake', (_, make) => {
    expect(() => make('carts')).toThrow(new TypeError('There is a namespace carts already.'));
  });

  it('refused for its name leaves the first as it is', () => {
    const namespaces = new Namespaces([namespace('carts')]);
    expect(() => namespaces.add(namespace('carts', { mode: 'eventual' }))).toThrow(TypeError);
    expect(namespaces.get('carts').mode).toBe('strong');
  });
});

describe('a namespace that this node was not told of', () => {
  it.each(['cart', 'CARTS', '', '__proto__', 'constructor', 'toString'])('is not found: %j', (name) => {
    const namespaces = new Namespaces([namespace('default'), namespace('carts')]);
    expect(namespaces.find(name)).toBeUndefined();
    const error = caught(() => namespaces.get(name));
    expect(error.code).toBe('DKV_UNKNOWN_NAMESPACE');
    expect(error.message).toContain(`${JSON.stringify(name)}, only of default, carts`);
    expect(error.message).toContain('DkvModule.forFeature');
  });
});

it('lists them in the order of adding', () => {
  expect(namesOf(new Namespaces())).toEqual([]);
  expect(namesOf(new Namespaces(['b', 'a', '__proto__'].map((name) => namespace(name))))).toEqual([
    'b',
    'a',
    '__proto__',
  ]);
});
