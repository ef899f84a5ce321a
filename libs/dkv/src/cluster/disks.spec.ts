/** Nodes are known by their disks: the first one met counts, also after a restart. */
import { beforeEach, expect, it } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { microtasks } from '../../testing/microtasks.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { Disks } from './disks.js';

let metas: Map<string, string>;
let log: CapturedLog;

beforeEach(() => {
  metas = new Map();
  log = new CapturedLog();
});

function open(seed = 1): Promise<Disks> {
  const local = {
    getMeta: async (name: string) => metas.get(name),
    putMeta: async (name: string, value: string) => void metas.set(name, value),
  };
  return Disks.open(local, new SimRandom(seed), log);
}

it('names a new disk once', async () => {
  const { own } = await open(1);
  expect(own).toMatch(/^[0-9a-f]{12}$/);
  expect((await open(2)).own).toBe(own);
  metas.clear();
  expect((await open(2)).own).not.toBe(own);
});

it('takes the first disk of a node for its own, for good', async () => {
  const disks = await open();
  disks.meet('b', '0123456789ab');
  expect(disks.isReplaced('b')).toBe(false);
  await microtasks();
  const again = await open();
  again.meet('b', 'ffffffffffff');
  expect(again.isReplaced('b')).toBe(true);
  expect(again.isReplaced('c')).toBe(false);
});

it('says once which node has come back with another, and what to do', async () => {
  const disks = await open();
  disks.meet('b', '0123456789ab');
  disks.meet('b', 'ffffffffffff');
  disks.meet('b', 'ffffffffffff');
  expect(log.errors).toHaveLength(1);
  expect(log.errors[0]).toMatch(/Node b .*another data folder.*old folder back/);
});

it('forgives a node that has its old disk back', async () => {
  const disks = await open();
  disks.meet('b', '0123456789ab');
  disks.meet('b', 'ffffffffffff');
  disks.meet('b', '0123456789ab');
  expect(disks.isReplaced('b')).toBe(false);
});
