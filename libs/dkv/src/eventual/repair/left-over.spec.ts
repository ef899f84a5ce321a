/** Records of a partition that is on other nodes now: each of them has to have what is here before it is erased. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { nodeRepo } from '../../../testing/local-kv/node-repo.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { microtasks } from '../../../testing/microtasks.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { configurationOf } from '../../cluster/cluster-configuration.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { type CoreContext } from '../../cluster/core-context.js';
import { type ClusterConfiguration } from '../../model/membership.js';
import { stampRecord } from '../../model/record.js';
import { formatVersion } from '../../model/version.js';
import { type LocalKvRepo } from '../../ports/local-kv-repo.js';
import { LeftOver } from './left-over.js';

const NODES = testNodes('a', 'b', 'c', 'd');
const RING = testRing(NODES, { partitions: 4, replicas: 1 });
const STEP_MS = 100;
/** Long enough for one look, too short for two that begin after the end of the one before. */
const LOOK_MS = 1_300;
const PARTITION = 1;
const FLOOR = versionOf(1);

/** Partition 1 is on these nodes. */
function on(epoch: number, ...list: readonly string[]): ClusterConfiguration {
  const born = { ...configurationOf(RING, NODES), clusterId: 'one', epoch };
  return { ...born, lists: born.lists.with(PARTITION, list), target: born.target.with(PARTITION, list) };
}

let view: ClusterView;
let clock: ManualClock;
let local: LocalKvRepo;
let leftOver: LeftOver;
/** Whether the node has all that is here. */
let serve: (nodeId: string) => boolean | Promise<boolean>;
let asked: string[];
let onErase: () => void;

beforeEach(() => begin(on(7, 'b', 'c')));

afterEach(async () => {
  leftOver.stop();
  await local.close();
});

async function begin(configuration: ClusterConfiguration): Promise<void> {
  clock = new ManualClock();
  const logger = new CapturedLog();
  local = nodeRepo({ storage: 'memory', dataDir: '', durability: 'wal', logger });
  await local.open({ nodeId: 'a', partitions: RING.partitions, hashFunc: 'md5' });
  view = new ClusterView('a', configuration, RING.hashFunc);
  asked = [];
  onErase = () => undefined;
  serve = () => true;
  const peers = {
    call: async (nodeId: string, kind: string, ask: { partition: number; epoch: number }) => {
      asked.push(`${kind} ${nodeId} ${ask.partition} ${ask.epoch}`);
      return { isWhole: await serve(nodeId) };
    },
  };
  const random = new SimRandom('left over');
  const watched = new Proxy(local, {
    get: (_, name) => {
      if (name === 'erase') {
        onErase();
      }
      return Reflect.get(local, name) as unknown;
    },
  });
  const context = { view, clock, random, logger, peers, local: watched };
  leftOver = new LeftOver(context as unknown as CoreContext);
}

function versionOf(counter: number): string {
  return formatVersion({ physicalMs: 1, counter, nodeId: 'a', boot: 1 });
}

async function put(key: string, counter: number): Promise<void> {
  const record = stampRecord({
    namespace: 'default',
    key,
    version: versionOf(counter),
    tombstone: false,
    expiresAtMs: 0,
    value: Buffer.from('v'),
  });
  await local.update({ partition: PARTITION, namespace: 'default', key }, () => record);
}

async function keys(): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of local.getAllNoValue({ partition: PARTITION })) {
    found.push(key);
  }
  return found.sort();
}

async function look(ms = LOOK_MS): Promise<void> {
  for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += STEP_MS) {
    clock.advance(STEP_MS);
    for (let turn = 0; turn < 20; turn++) {
      await microtasks();
    }
  }
}

describe('what is left here of a partition that is on other nodes', () => {
  it('is erased when each of them has it, with its floor and its hints', async () => {
    await Promise.all(Array.from({ length: 300 }, (_, at) => put(`k${at}`, at + 2)));
    await local.raiseFloor(PARTITION, FLOOR);
    await local.addHint({ nodeId: 'b', partition: PARTITION, namespace: 'default', key: 'k0' });
    leftOver.start();
    expect([leftOver.has(PARTITION), leftOver.isNone]).toEqual([true, false]);
    await look();
    expect(asked).toEqual(['handOver b 1 7', 'handOver c 1 7']);
    expect([await keys(), local.heldPartitions(), await local.getHints('b', 10)]).toEqual([[], [], []]);
    expect([leftOver.has(PARTITION), leftOver.isNone]).toEqual([false, true]);
  });

  it('stays while one of them lacks something', async () => {
    await put('k', 2);
    serve = (nodeId) => nodeId !== 'c';
    leftOver.start();
    await look(5_000);
    expect(await keys()).toEqual(['k']);
    expect(leftOver.isNone).toBe(false);
    serve = () => true;
    await look();
    expect(await keys()).toEqual([]);
  });

  it('stays while one of them does not answer', async () => {
    await put('k', 2);
    serve = () => Promise.reject(new Error('of a test'));
    leftOver.start();
    await look(5_000);
    expect(await keys()).toEqual(['k']);
  });

  it('stays where something came in while they were asked, and is handed over anew', async () => {
    await put('k', 2);
    serve = async (nodeId) => {
      if (nodeId === 'b' && asked.length === 1) {
        await put('late', 3);
      }
      return true;
    };
    leftOver.start();
    await look();
    expect(await keys()).toEqual(['k', 'late']);
    await look();
    expect([asked.length, await keys()]).toEqual([4, []]);
  });

  it('stays where the partition came back to this node meanwhile', async () => {
    await put('k', 2);
    await local.raiseFloor(PARTITION, FLOOR);
    serve = () => view.adopt(on(view.epoch + 1, 'a', 'b'));
    leftOver.start();
    await look();
    expect([await keys(), local.floorOf(PARTITION)]).toEqual([['k'], FLOOR]);
    expect(leftOver.isNone).toBe(true);
  });

  it('loses its floor before its first record', async () => {
    await put('k', 2);
    await local.raiseFloor(PARTITION, FLOOR);
    const floors: unknown[] = [];
    onErase = () => floors.push(local.floorOf(PARTITION));
    leftOver.start();
    await look();
    expect(floors).toHaveLength(1);
    expect(floors[0]).not.toBe(FLOOR);
  });
});

it('nothing is looked at before a cluster is known', async () => {
  await local.close();
  await begin(on(0, 'b', 'c'));
  await put('k', 2);
  leftOver.start();
  await look(5_000);
  expect([asked, await keys(), leftOver.has(PARTITION)]).toEqual([[], ['k'], false]);
});

it('what is this node’s own stays', async () => {
  await local.close();
  await begin(on(7, 'a', 'b'));
  await put('k', 2);
  leftOver.start();
  await look(5_000);
  expect([asked, await keys()]).toEqual([[], ['k']]);
});
