/** What a node starts with: its folder's note once its cluster is born, before that what options and discovery say. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { rejected } from '../../testing/caught.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { CLUSTER_META, NO_CLUSTER } from '../cluster/cluster-note.js';
import { DkvError } from '../dkv.errors.js';
import { resolveOptions } from '../dkv.options.js';
import { md5HashFunc } from '../hashring/md5-hash-func.js';
import { CONFIGURATION_GROUP } from '../model/membership.js';
import { type ClusterNode } from '../model/node.js';
import { clusterAtStart, discover } from './cluster-at-start.js';

const NODES = testNodes('a', 'b', 'c');
const UNKNOWN = new DkvError('DKV_DISCOVERY_FAILED', 'The resolver timed out.');

function folder() {
  const metas = new Map<string, string>();
  return {
    getMeta: async (name: string) => metas.get(name),
    putMeta: async (name: string, value: string) => void metas.set(name, value),
  };
}

const optionsWith = (given: { replicas?: number; partitions?: number } = {}) => ({
  ...resolveOptions({ storage: 'memory', ...given }),
  nodeId: 'a',
});

function discoveryOf(told: readonly ClusterNode[] | Error) {
  return {
    fixedSize: NODES.length,
    register: async () => undefined,
    deregister: async () => undefined,
    getNodes: async () => {
      if (told instanceof Error) {
        throw told;
      }
      return told;
    },
  };
}

/** A start of the node in `local`, where discovery tells `told`. */
async function start(
  local: ReturnType<typeof folder>,
  told: readonly ClusterNode[] | Error,
  given: { replicas?: number } = {},
) {
  const log = new CapturedLog();
  const options = optionsWith(given);
  const discovered = await discover(options, discoveryOf(told));
  const configuration = await clusterAtStart(options, discovered, md5HashFunc, local, log);
  return { ...configuration, warnings: log.warnings };
}

/** A first start, after which the cluster is born. */
async function born(local: ReturnType<typeof folder>) {
  const started = await start(local, NODES);
  await local.putMeta(CLUSTER_META, JSON.stringify({ ...NO_CLUSTER, clusterId: 'x', isBorn: true }));
  return started;
}

describe('a new folder', () => {
  it('takes the nodes that discovery shows', async () => {
    const { epoch, members, lists, warnings } = await start(folder(), NODES);
    expect(epoch).toBe(0);
    expect(members).toEqual(NODES);
    const ring = testRing(NODES);
    expect(lists[5]).toEqual(ring.preferenceList(5));
    expect(warnings).toEqual([]);
  });

  it('is not started without discovery', async () => {
    expect(await rejected(start(folder(), UNKNOWN))).toBe(UNKNOWN);
  });
});

it('corrected options count as long as the cluster is not born', async () => {
  const local = folder();
  await start(local, NODES);
  const corrected = [...testNodes('a', 'b'), testNode('d', { weight: 2 })];
  const { members, classes, warnings } = await start(local, corrected, { replicas: 1 });
  expect(members.map(({ nodeId, weight }) => `${nodeId} ${weight}`)).toEqual(['a 1', 'b 1', 'd 2']);
  expect(classes).toEqual([{ number: 0, replicas: 1 }]);
  expect(warnings).toEqual([]);
  expect(await rejected(start(local, UNKNOWN))).toBe(UNKNOWN);
});

describe('a folder whose cluster is born', () => {
  it('starts without discovery, with the addresses noted last', async () => {
    const local = folder();
    const first = await born(local);
    const moved = [...testNodes('a', 'b'), testNode('c', { host: '10.0.0.9' })];
    await start(local, moved);
    const { lists, members, warnings } = await start(local, UNKNOWN);
    expect(lists).toEqual(first.lists);
    expect(members).toEqual(moved);
    expect(warnings).toEqual([expect.stringMatching(/The resolver timed out\. .*c at 10\.0\.0\.9:/)]);
  });

  it.each<[string, readonly ClusterNode[], number, RegExp]>([
    ['other replicas', NODES, 1, /goes by replicas 2, not 1:/],
    ['another weight', [...testNodes('a', 'b'), testNode('c', { weight: 2 })], 2, /weight 1 of c, not 2:/],
    ['another zone', [...testNodes('a', 'b'), testNode('c', { zone: 'z' })], 2, /zone "" of c, not "z":/],
  ])('goes on as the cluster was made, and warns of %s', async (_, nodes, replicas, message) => {
    const local = folder();
    const { lists, members } = await born(local);
    const again = await start(local, nodes, { replicas });
    expect(again).toMatchObject({ lists, members, classes: [{ number: 0, replicas: 2 }] });
    expect(again.warnings).toEqual([expect.stringMatching(message)]);
    expect((await start(local, NODES)).warnings).toEqual([]);
  });

  it.each([
    ['one more node', testNodes('a', 'b', 'c', 'd')],
    ['one less', testNodes('a', 'b')],
    ['another one', testNodes('a', 'b', 'x')],
  ])('keeps its members where discovery shows %s: that is agreed on among them', async (_, nodes) => {
    const local = folder();
    const { members, lists } = await born(local);
    expect(await start(local, nodes)).toMatchObject({ members, lists, warnings: [] });
  });
});

describe('with a registry, which knows of a node once that is there,', () => {
  const own = { nodeId: 'a', host: 'host-of-now', port: 7009, weight: 3, zone: 'z' };
  const options = {
    ...optionsWith(),
    ...{ hostname: own.host, peerPort: own.port, weight: own.weight, zone: own.zone },
  };
  const discovered = (told: readonly ClusterNode[] | Error) =>
    discover(options, { ...discoveryOf(told), isRegistry: true });

  it.each([
    ['absent', testNodes('b', 'c')],
    ['left from a former process', testNodes('a', 'b', 'c')],
  ])('this node is where its options have it: %s', async (_, told) => {
    const { nodes } = await discovered(told);
    expect(nodes).toEqual([...testNodes('b', 'c'), own]);
  });

  it('so it is where the registry cannot be asked', async () => {
    const local = folder();
    await born(local);
    const { members } = await clusterAtStart(
      options,
      await discovered(UNKNOWN),
      md5HashFunc,
      local,
      new CapturedLog(),
    );
    expect(members.map(({ host, port }) => `${host}:${port}`)).toEqual([
      'host-of-now:7009',
      ...testNodes('b', 'c').map(({ host, port }) => `${host}:${port}`),
    ]);
  });
});

describe('options are refused before there is a folder:', () => {
  it('a node id that discovery does not know', async () => {
    const error = await rejected(discover(optionsWith(), discoveryOf(testNodes('b', 'c'))));
    expect(error).toMatchObject({ code: 'DKV_INVALID_OPTIONS' });
    expect(error.message).toContain('it told b, c.');
  });

  it('partitions of which one would have the number of the group that keeps the configuration', async () => {
    const most = { partitions: CONFIGURATION_GROUP, replicas: 0 };
    await expect(discover(optionsWith(most), discoveryOf(NODES))).resolves.toEqual({ nodes: NODES });
    const options = { ...optionsWith(most), partitions: CONFIGURATION_GROUP + 1 };
    const error = await rejected(discover(options, discoveryOf(NODES)));
    expect(error.message).toContain('partitions is 65535: give at most 65534');
  });
});
