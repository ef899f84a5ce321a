/** What a recovery makes void of a log is in a file first: rule 13. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { testGroup } from '../../testing/raft-test-group.js';
import { memberOf } from '../../testing/simulation/group-facts.js';
import {
  blackout,
  groupAt,
  putAll,
  startNodes,
  strongCluster,
  wrongVoters,
} from '../../testing/simulation/strong-cluster.js';
import { type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { NodeStorage } from '../storage/node-storage.js';
import { DroppedEntries } from './dropped-entries.js';
import { type StrongGroup } from './strong-group.js';

afterEach(() => vi.restoreAllMocks());

interface Keeping {
  readonly keep: (this: NodeStorage, name: string, text: string) => Promise<void>;
}

/** The first leader has an entry that nobody else has ever heard of, and what the others wrote since is on their disks. */
async function withTail() {
  const cluster = await strongCluster(3, { partitions: 1 });
  await putAll(cluster, 'old');
  await cluster.advance(60_000);
  const leader = cluster.nodeIds.find((nodeId) => groupAt(cluster, nodeId).leads)!;
  const others = cluster.nodeIds.filter((nodeId) => nodeId !== leader);
  cluster.partition([leader], others);
  await rejected(cluster.put(leader, 'k0', 'alone', { timeoutMs: 500 }));
  await cluster.advance(5_000);
  await cluster.put(others[0]!, 'k0', 'new0');
  await cluster.advance(60_000);
  return { cluster, leader };
}

function losePower(cluster: TestCluster, except: string): void {
  blackout(cluster, ...cluster.nodeIds.filter((nodeId) => nodeId !== except));
  cluster.heal();
}

it('what nobody else has of a log is kept in a file where another generation makes it void', async () => {
  const { cluster, leader } = await withTail();
  const { raft, applied } = groupAt(cluster, leader);
  const [tail] = raft.tailFrom(applied + 1);
  losePower(cluster, leader);
  startNodes(cluster);
  await cluster.advance(30_000);
  expect(wrongVoters(cluster)).toEqual([]);
  expect(await cluster.get('a', 'k0', { level: 'linearizable' })).toBe('new0');
  const { folder, log } = cluster.node(leader);
  const name = 'dropped-partition-0-generation-2.jsonl';
  expect(log.warnings.some((line) => line.includes(`are in ${name}`))).toBe(true);
  const [first] = folder.names.get(name)!.content.toString().split('\n');
  expect(JSON.parse(first!)).toMatchObject({
    partition: 0,
    term: tail!.term,
    index: tail!.index,
    data: Buffer.from(tail!.data).toString('base64'),
  });
});

it('and the member stays who it is however long that takes', async () => {
  const { cluster, leader } = await withTail();
  losePower(cluster, leader);
  let isKept = false;
  const { keep } = NodeStorage.prototype as unknown as Keeping;
  vi.spyOn(NodeStorage.prototype, 'keep').mockImplementation(async function (this: NodeStorage, ...given) {
    while (!isKept) {
      await new Promise<void>((resolve) => cluster.node(leader).clock.schedule(100, resolve));
    }
    return keep.apply(this, given);
  });
  startNodes(cluster);
  await cluster.advance(1_000);
  const before = memberOf(cluster.node(leader));
  await cluster.advance(60_000);
  expect(groupAt(cluster, leader).generation).toBe(1);
  isKept = true;
  await cluster.advance(30_000);
  expect(groupAt(cluster, leader).generation).toBe(2);
  expect(memberOf(cluster.node(leader))).toBe(before);
  expect(wrongVoters(cluster)).toEqual([]);
});

describe('what becomes void', () => {
  it('is not written again and again where the medium never says that it is there', async () => {
    let file = '';
    const errors: string[] = [];
    const logger = { warn: () => undefined, error: (text: string) => errors.push(text) };
    const dropped = new DroppedEntries({
      logger: logger as never,
      keep: async (_name, text) => {
        file += text;
        throw new Error('EIO: fsync');
      },
      isVolatile: false,
    });
    const raft = testGroup([1, 1, 1]);
    const group = { number: 0, applied: 0, raft } as unknown as StrongGroup;
    // As often as the one that leads says something in half a minute.
    for (let message = 0; message < 100; message++) {
      dropped.areKept(group, 2);
      await Promise.resolve();
      await Promise.resolve();
    }
    expect(file.split('\n').length - 1).toBeLessThan(3 * 10);
    expect(errors.length).toBeLessThan(10);
  });

  it('is not said to be in a file where nothing is kept on a disk', () => {
    const warnings: string[] = [];
    const logger = { warn: (text: string) => warnings.push(text), error: () => undefined };
    const dropped = new DroppedEntries({
      logger: logger as never,
      keep: async () => undefined,
      isVolatile: true,
    });
    const group = { number: 0, applied: 0, raft: testGroup([1, 1, 1]) } as unknown as StrongGroup;
    expect(dropped.areKept(group, 2)).toBe(true);
    expect(warnings).toEqual([expect.not.stringContaining('.jsonl')]);
  });
});
