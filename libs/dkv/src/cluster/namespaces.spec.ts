/** The namespaces that a node was told of. */
import { describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { JsonCodec } from '../codec/json-codec.js';
import { LastWriteWinsMerger } from '../merger/last-write-wins-merger.js';
import { RecordMerger } from '../merger/record-merger.js';
import { type ClusterConfiguration } from '../model/membership.js';
import { agreedOf } from './agreed-namespaces.js';
import { type Namespace, Namespaces } from './namespaces.js';

const merger = new RecordMerger(new LastWriteWinsMerger(), new JsonCodec());

const namespace = (name: string, differing: Partial<Namespace> = {}): Namespace => ({
  name,
  mode: 'strong',
  placement: 0,
  codec: new JsonCodec(),
  merger,
  ...differing,
});

const namesOf = (namespaces: Namespaces) => [...namespaces].map(({ name }) => name);

describe('a namespace', () => {
  it('is found as it was given', () => {
    const carts = namespace('carts', { mode: 'eventual', placement: 2 });
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

describe('what the cluster has agreed on', () => {
  const carts = namespace('carts');
  const configuration = (epoch: number, ...agreed: readonly Namespace[]) =>
    ({ epoch, clusterId: 'c1', namespaces: agreed.map(agreedOf) }) as unknown as ClusterConfiguration;

  it('counts once the cluster is born', () => {
    const namespaces = new Namespaces([carts]);
    expect(namespaces.follow(configuration(0), 'a')).toEqual([]);
    expect([namespaces.find('carts'), namespaces.unreadyReason]).toEqual([carts, undefined]);
    namespaces.follow(configuration(1), 'a');
    expect([namespaces.find('carts'), namespaces.isWaiting('carts'), namesOf(namespaces)]).toEqual([
      undefined,
      true,
      [],
    ]);
    expect(namespaces.waiting).toEqual([agreedOf(carts)]);
    expect(caught(() => namespaces.get('carts'))).toMatchObject({
      code: 'DKV_NOT_READY',
      message: 'Nothing was done: the cluster has not agreed on namespace "carts" yet.',
    });
    namespaces.delayed('two are down');
    expect(namespaces.unreadyReason).toBe(
      'the cluster has not agreed on namespace "carts" yet: two are down',
    );
    namespaces.follow(configuration(2, carts), 'a');
    expect([namespaces.get('carts'), namespaces.waiting, namespaces.unreadyReason]).toEqual([
      carts,
      [],
      undefined,
    ]);
  });

  it('counts for what is declared after that, too', () => {
    const namespaces = new Namespaces();
    namespaces.follow(configuration(1), 'a');
    namespaces.add(carts);
    expect([namespaces.find('carts'), namespaces.isWaiting('carts')]).toEqual([undefined, true]);
  });

  it('gives a namespace its class', () => {
    const namespaces = new Namespaces([carts]);
    expect(namespaces.follow(configuration(1, { ...carts, placement: 3 }), 'a')).toEqual([]);
    expect([namespaces.get('carts').placement, namespaces.askedPlacement('carts')]).toEqual([3, 0]);
  });

  it.each<[string, Partial<Namespace>, string]>([
    ['mode', { mode: 'eventual' }, '"eventual" on node a, and "strong"'],
    ['codec', { codec: { ...new JsonCodec(), name: 'own' } as never }, '"own" on node a, and "json"'],
    ['merger', { merger: { name: 'own' } as never }, '"own" on node a, and "last-write-wins"'],
  ])('refuses one of another %s, once, and names both', (property, differing, both) => {
    const namespaces = new Namespaces([namespace('carts', differing)]);
    const refused = namespaces.follow(configuration(1, carts), 'a');
    const message =
      `Namespace "carts" has ${property} ${both} in cluster c1, where it stays so. Declare it on every node as the cluster has ` +
      'it, or take another name for it.';
    expect(refused).toMatchObject([{ code: 'DKV_CONFIGURATION_MISMATCH', message }]);
    expect(namespaces.follow(configuration(2, carts), 'a')).toEqual([]);
    expect(caught(() => namespaces.get('carts'))).toBe(refused[0]);
    expect([namespaces.isWaiting('carts'), namespaces.find('carts'), namespaces.unreadyReason]).toEqual([
      false,
      undefined,
      message,
    ]);
  });

  it('takes a merger without a name for any', () => {
    const namespaces = new Namespaces([namespace('carts', { merger: { name: '' } as never })]);
    expect(namespaces.follow(configuration(1, carts), 'a')).toEqual([]);
    expect(namespaces.find('carts')).toBeDefined();
  });

  it('is told of once to who asks, when it may be another', () => {
    const namespaces = new Namespaces([carts]);
    let told = 0;
    namespaces.onceChanged(() => told++);
    const forget = namespaces.onceChanged(() => (told += 10));
    forget();
    namespaces.follow(configuration(1), 'a');
    namespaces.follow(configuration(2, carts), 'a');
    expect(told).toBe(1);
  });
});
