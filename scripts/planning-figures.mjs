/** What planning costs in a cluster of many nodes: `npm run build && node scripts/planning-figures.mjs [nodes] [partitions]`. */
import {
  configurationFrom,
  configurationOf,
  textOf,
} from '../libs/dkv/dist/src/cluster/cluster-configuration.js';
import { withChanges, withMoved, withMoves } from '../libs/dkv/dist/src/cluster/configuration-changes.js';
import { Hashring } from '../libs/dkv/dist/src/hashring/hashring.js';
import { md5HashFunc } from '../libs/dkv/dist/src/hashring/md5-hash-func.js';

const [size = 100, partitions = 1_024] = process.argv.slice(2).map(Number);

const nodes = (first, count) =>
  Array.from({ length: count }, (_, number) => {
    const nodeId = `n${String(first + number).padStart(4, '0')}`;
    return { nodeId, host: `${nodeId}.peers`, port: 7000, weight: 1, zone: 'xyz'[(first + number) % 3] };
  });

function cpuOf(what, work) {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  console.log(`${what}: ${((user + system) / 1000).toFixed(0)} ms of CPU`);
  return result;
}

const members = nodes(0, size);
const ten = Math.max(1, Math.round(size / 10));
const ring = () => Hashring.of(members, { partitions, replicas: 2, hashFunc: md5HashFunc });
const made = cpuOf(`${size} nodes, ${partitions} partitions: the first table`, () => ({
  ...configurationOf(ring(), members),
  epoch: 1,
}));
const leaves = members.slice(0, ten).map(({ nodeId }) => ({ kind: 'leave', nodeId }));
const joins = nodes(size, 2 * ten).map((node) => ({ kind: 'join', node }));
const left = cpuOf(`${ten} leave, planned`, () => withChanges(made, leaves));
cpuOf(`${2 * ten} join, planned`, () => withChanges(made, joins));
cpuOf('one step of moves, begun and ended', () => {
  const moving = withMoves(left, 4);
  return withMoved(
    moving,
    moving.moving.map(({ place }) => place),
  );
});
const text = cpuOf('to text', () => textOf(left));
global.gc?.();
const before = process.memoryUsage().heapUsed;
const COPIES = 20;
const kept = cpuOf('from text, twenty times', () =>
  Array.from({ length: COPIES }, () => configurationFrom(text)),
);
global.gc?.();
const heap = (process.memoryUsage().heapUsed - before) / COPIES;
console.log(
  `text: ${(text.length / 1024).toFixed(0)} KiB; in memory: ${(heap / 2 ** 20).toFixed(2)} MiB${global.gc ? '' : ' (run node with --expose-gc)'}`,
);
process.exitCode = kept.at(-1).lists.length === partitions + 1 ? 0 : 1;
