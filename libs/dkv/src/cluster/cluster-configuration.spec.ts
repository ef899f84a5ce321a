/** The configuration of a cluster outlives its processes. */
import { expect, it } from 'vitest';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type ClusterNode } from '../model/node.js';
import {
  configurationOf,
  fingerprintOf,
  notedConfiguration,
  noteAddresses,
  noteConfiguration,
} from './cluster-configuration.js';
import { withChanges, withMoves } from './configuration-changes.js';

const NODES = [testNode('a', { weight: 2 }), testNode('b', { zone: 'east' }), ...testNodes('c', 'd')];

function made(nodes: readonly ClusterNode[]) {
  return configurationOf(testRing(nodes), nodes);
}

/** The small values of a data folder. */
function folder() {
  const metas = new Map<string, string>();
  return {
    metas,
    puts: 0,
    getMeta: async (name: string) => metas.get(name),
    async putMeta(name: string, value: string) {
      this.puts++;
      metas.set(name, value);
    },
  };
}

it('is nothing in a new folder', async () => {
  expect(await notedConfiguration(folder())).toBeUndefined();
});

it.each([
  ['as it was made', made(NODES)],
  ['of a node alone', made(testNodes('a'))],
  ['with another member', withChanges(made(NODES), [{ kind: 'join', node: testNode('e') }])!],
  ['under way', withMoves(withChanges(made(NODES), [{ kind: 'leave', nodeId: 'a' }])!, 3)!],
])('comes back %s', async (_, configuration) => {
  const meta = folder();
  await noteConfiguration(meta, configuration);
  const noted = (await notedConfiguration(meta))!;
  expect(noted).toEqual(configuration);
  // Where they are to be is told by the very lists that are there already.
  const there = configuration.target.map((list, place) => list === configuration.lists[place]);
  expect(noted.target.map((list, place) => list === noted.lists[place])).toEqual(there);
  expect(fingerprintOf(noted)).toBe(fingerprintOf(configuration));
});

it.each([
  ['other replicas', { ...made(NODES), classes: [{ number: 0, replicas: 1 }] }],
  ['another hash function', { ...made(NODES), hashFunc: 'xxhash' }],
  ['another weight', made([testNode('a'), ...NODES.slice(1)])],
  ['another zone', made([...NODES.slice(0, 3), testNode('d', { zone: 'east' })])],
  ['other lists', { ...made(NODES), lists: [...made(NODES).lists].reverse() }],
])('has another fingerprint with %s, and the same at other addresses', (_, other) => {
  const moved = NODES.map((node) => ({ ...node, host: '10.0.0.9' }));
  expect(fingerprintOf(made(moved))).toBe(fingerprintOf(made(NODES)));
  expect(fingerprintOf(other)).not.toBe(fingerprintOf(made(NODES)));
});

it('keeps where the members listened last, and is not written again where nothing has changed', async () => {
  const meta = folder();
  await noteConfiguration(meta, made(NODES));
  await noteConfiguration(meta, made(NODES));
  expect(meta.puts).toBe(1);
  const moved = { ...NODES[1]!, host: '10.0.0.9', port: 7 };
  await noteAddresses(meta, [moved]);
  const { members } = (await notedConfiguration(meta))!;
  expect(members.map(({ nodeId, host }) => [nodeId, host])).toEqual(
    NODES.map(({ nodeId, host }) => [nodeId, nodeId === 'b' ? '10.0.0.9' : host]),
  );
  expect(members[1]).toEqual(moved);
});

it.each(['{', '{}', '{"members":[],"lists":[[1]],"target":[]}'])(
  'is refused where its note is %s',
  async (text) => {
    const meta = folder();
    meta.metas.set('configuration', text);
    await expect(notedConfiguration(meta)).rejects.toMatchObject({ code: 'DKV_STORE_MISMATCH' });
  },
);
