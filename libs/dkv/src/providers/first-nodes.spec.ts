/** How many nodes a new cluster is made of, by option and discovery, and what is refused. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { caught } from '../../testing/caught.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { StaticDiscovery } from '../discovery/static-discovery.js';
import { resolveOptions } from '../dkv.options.js';
import { md5HashFunc } from '../hashring/md5-hash-func.js';
import { type ClusterNode } from '../model/node.js';
import { type Discovery } from '../ports/discovery.js';
import { clusterAtStart, discover } from './cluster-at-start.js';
import { assertCanForm, firstNodesOf } from './first-nodes.js';

const LIST = new StaticDiscovery(testNodes('a', 'b', 'c', 'd', 'e'));
const changing = (...nodes: readonly ClusterNode[]): Discovery => ({
  register: async () => undefined,
  deregister: async () => undefined,
  getNodes: async () => nodes,
});

it.each([
  ['one node without a discovery', undefined, undefined, [1, true, false]],
  ['all of a list', LIST, undefined, [5, true, false]],
  ['some of a list', LIST, 3, [3, true, true]],
  ['those that are there', changing(), 3, [3, false, true]],
] as const)('a cluster is made of %s', (_, discovery, clusterSize, [size, isFixed, isProvisional]) => {
  const expected = { clusterSize: size, hasFixedNodes: isFixed, isProvisional };
  expect(firstNodesOf({ discovery, clusterSize })).toEqual(expected);
});

describe('what could never be a cluster, or could be two', () => {
  it('is refused: no size where discovery shows nodes as they come', () => {
    expect(caught(() => firstNodesOf({ discovery: changing() }))).toMatchObject({
      code: 'DKV_INVALID_OPTIONS',
      message: expect.stringMatching(/^clusterSize is missing: .* such as clusterSize: 3\.$/) as string,
    });
  });

  it.each([1, 2, 6])('is refused: %i of a list of five', (clusterSize) => {
    expect(caught(() => assertCanForm({ discovery: LIST, clusterSize }))).toMatchObject({
      code: 'DKV_INVALID_OPTIONS',
      message: expect.stringContaining(
        `clusterSize is ${clusterSize} with a list of 5 nodes: give 3 to 5`,
      ) as string,
    });
  });

  it.each([3, 4, 5])('is not: %i of a list of five', (clusterSize) => {
    expect(() => assertCanForm({ discovery: LIST, clusterSize })).not.toThrow();
  });

  it('is refused: more than one without a discovery', () => {
    expect(caught(() => resolveOptions({ clusterSize: 3 }))).toMatchObject({
      code: 'DKV_INVALID_OPTIONS',
      message: expect.stringContaining('clusterSize is 3 without a discovery') as string,
    });
    expect(() => resolveOptions({ clusterSize: 1 })).not.toThrow();
  });

  it.each([[['a', 'a']], [['']], ['a'], [[1]], [Array.from({ length: 17 }, (_, zone) => `z${zone}`)]])(
    'is refused as zones: %j',
    (preferredZones) => {
      expect(caught(() => resolveOptions({ preferredZones: preferredZones as string[] }))).toMatchObject({
        code: 'DKV_INVALID_OPTIONS',
        message: expect.stringContaining('preferredZones is') as string,
      });
    },
  );
});

it('a node that its discovery does not show yet is among those that it may make a cluster of, with what it prefers', async () => {
  const options = {
    ...resolveOptions({
      storage: 'memory',
      hostname: 'a.test',
      zone: 'x',
      preferredZones: ['x'],
    }),
    clusterSize: 2,
    nodeId: 'a',
    discovery: changing(testNode('b')),
  };
  const metas = new Map<string, string>();
  const local = {
    getMeta: async (name: string) => metas.get(name),
    putMeta: async (name: string, value: string) => void metas.set(name, value),
  };
  const made = await clusterAtStart(
    options,
    await discover(options, options.discovery),
    md5HashFunc,
    local,
    new CapturedLog(),
  );
  expect(made.members.map(({ nodeId }) => nodeId)).toEqual(['a', 'b']);
  expect(made.preferredZones).toEqual(['x']);
  expect(new Set(made.lists.map(([first]) => first))).toEqual(new Set(['a']));
});
