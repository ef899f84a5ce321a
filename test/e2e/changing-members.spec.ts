/** Nodes join, leave, are killed and come back under a load of real callers: nothing is lost, and everything ends where it is to be. */
import { rm } from 'node:fs/promises';
import { type MemberReport, type MovesReport } from 'nestjs-dkv';
import { describe, expect, it } from 'vitest';
import { type ClusterSettings, useCluster } from './demo-cluster.js';
import { type DemoNode } from './demo-node.js';
import { type Ended, runDkv } from './dkv-process.js';
import { samplesOf } from './metrics-text.js';
import { describeFailure, SteadyLoad } from './steady-load.js';
import { until } from './until.js';
import { WriteStream } from './write-stream.js';

const ADMIN_KEY = 'the-key-of-operators';
const PARTITIONS = 12;
const WITHIN_MS = 60_000;

function settings(newcomers: number, env: Readonly<Record<string, string>> = {}): ClusterSettings {
  const own = { DKV_ADMIN_KEY: ADMIN_KEY, DKV_PARTITIONS: String(PARTITIONS), ...env };
  return { newcomers, env: own };
}

async function told<T>(node: DemoNode, path: string): Promise<T> {
  const { status, text } = await node.peerHttp.send('GET', path, { headers: { 'x-admin-key': ADMIN_KEY } });
  expect([status, text]).toEqual([200, text]);
  return JSON.parse(text) as T;
}

const movesAt = (node: DemoNode): Promise<MovesReport> => told(node, '/admin/moves');

function dkv(asked: readonly DemoNode[], ...args: readonly string[]): Promise<Ended> {
  const url = asked.map(({ peerPort }) => `http://127.0.0.1:${peerPort}`).join();
  return runDkv(args, { DKV_URL: url, DKV_ADMIN_KEY: ADMIN_KEY });
}

/** All of them know of these members alone, each has its share, and nothing moves. */
async function settledAs(nodes: readonly DemoNode[]): Promise<MovesReport> {
  const ids = nodes.map(({ id }) => id).sort();
  await until(
    `${ids.join(', ')} to be the members, and all to be in place`,
    async () => {
      const reports = await Promise.all(nodes.map(movesAt));
      const epochs = new Set(reports.map(({ epoch }) => epoch));
      const isThere = reports.every(
        ({ isSettled, members }) => isSettled && members.map(({ nodeId }) => nodeId).join() === ids.join(),
      );
      return epochs.size === 1 && isThere;
    },
    WITHIN_MS,
  );
  await Promise.all(nodes.map((node) => node.ready(WITHIN_MS)));
  return movesAt(nodes[0]!);
}

/** Something is on its way now, as this node has it. */
async function moving(node: DemoNode, how: (report: MovesReport) => boolean = () => true): Promise<void> {
  await until(
    'partitions to move',
    async () => {
      const report = await movesAt(node);
      return report.moving.some(({ partition }) => partition !== undefined) && how(report);
    },
    WITHIN_MS,
  );
}

/** Records that it stores, as its metrics tell. */
async function recordsOf(node: DemoNode): Promise<number> {
  const { text } = await node.http.send('GET', '/metrics');
  const kept = [...samplesOf(text)].filter(([name]) => name.startsWith('dkv_keys'));
  return kept.reduce((sum, [, count]) => sum + count, 0);
}

/**
 * Does the work while clients of the nodes do theirs; fails where one of them was told what it must not be told.
 * @param name as {@link SteadyLoad} wants it
 * @param work resolves with the members that there are then: whatever the clients know is read from each of them
 */
async function underLoad(
  name: string,
  nodes: readonly DemoNode[],
  work: (load: SteadyLoad) => Promise<readonly DemoNode[]>,
): Promise<void> {
  const load = new SteadyLoad(nodes, name);
  await load.goesOn();
  const members = await work(load);
  await load.goesOn();
  expect(await load.end(members)).toEqual([]);
  expect(load.strange).toEqual([]);
}

/** A node that is to be taken in, whose share is on its way already. */
async function launchInto(member: DemoNode, newcomer: DemoNode): Promise<void> {
  newcomer.launch();
  await moving(
    member,
    ({ moving, waiting }) => waiting > 0 && moving.some(({ to }) => to.includes(newcomer.id)),
  );
}

describe('members that change', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, settings(2));

  it('do so for no restart: nothing moves, and no caller of another node notices', async () => {
    const { nodes } = cluster();
    const { epoch } = await settledAs(nodes);
    await underLoad('restarts', nodes, async (load) => {
      for (const node of nodes) {
        const before = load.failures.length;
        expect(await node.stop()).toEqual({ code: 0, signal: null });
        await load.goesOn();
        await node.start();
        await load.goesOn();
        const elsewhere = load.failures.slice(before).filter(({ nodeId }) => nodeId !== node.id);
        expect(elsewhere.map(describeFailure)).toEqual([]);
      }
      return nodes;
    });
    const after = await Promise.all(nodes.map(movesAt));
    expect(after.map((report) => report.epoch)).toEqual([epoch, epoch, epoch]);
  });

  it('are taken in with a share of the data, and give all of it away before they leave', async () => {
    const { nodes, newcomers } = cluster();
    const [leaving, second, third] = nodes as [DemoNode, DemoNode, DemoNode];
    const [fourth, fifth] = newcomers as [DemoNode, DemoNode];
    await underLoad('joins', nodes, async (load) => {
      await Promise.all(newcomers.map((node) => node.start()));
      newcomers.forEach((node) => load.join(node));
      const { members } = await settledAs([...nodes, ...newcomers]);
      for (const { copies } of members) {
        // 36 copies on 5 nodes.
        expect([7, 8]).toContain(copies.held);
      }
      await load.goesOn();
      const holding = await Promise.all([leaving, fourth].map(recordsOf));
      expect(Math.min(...holding)).toBeGreaterThan(0);

      const rest = [second, third, fifth];
      for (const node of [leaving, fourth]) {
        const { code, out, error } = await dkv(rest, 'decommission', node.id, '--wait', '--within', '60');
        expect([code, error]).toEqual([0, '']);
        expect(out.toString()).toMatch(
          new RegExp(`Node ${node.id} leaves .*Node ${node.id} is no member any more`, 's'),
        );
      }
      await settledAs(rest);
      for (const node of [leaving, fourth]) {
        await until(`${node.id} to hold nothing`, async () => (await recordsOf(node)) === 0, WITHIN_MS);
        const { status, text } = await node.http.send('GET', '/health/ready');
        expect([status, text]).toEqual([503, expect.stringContaining('it has left the cluster')]);
      }
      return rest;
    });
    const shown = await dkv([second], 'members', '--json');
    // Who waited to join, or had left, would be listed as well.
    const members = JSON.parse(shown.out.toString()) as readonly MemberReport[];
    expect(members.map(({ nodeId, copies }) => [nodeId, copies.held])).toEqual([
      ['node2', PARTITIONS],
      ['node3', PARTITIONS],
      ['node5', PARTITIONS],
    ]);
    expect((await dkv([second], 'moves')).out.toString()).toMatch(/^All is where it is to be/);
  });
});

describe('members that change under an eventual namespace', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, settings(1, { DKV_MODE: 'eventual' }));

  it('lose no write that was acknowledged: a node joins, and another hands over what it has before it leaves', async () => {
    const { nodes, newcomers } = cluster();
    const [leaving, second, third] = nodes as [DemoNode, DemoNode, DemoNode];
    const [fourth] = newcomers as [DemoNode];
    const writes = new WriteStream(nodes, 'moved');
    const goesOn = async () => {
      const before = writes.acknowledged.length;
      await until('writes to go on', async () => writes.acknowledged.length >= before + 30, WITHIN_MS);
    };
    await goesOn();
    await fourth.start();
    await settledAs([...nodes, fourth]);
    await goesOn();
    expect(await recordsOf(fourth)).toBeGreaterThan(0);
    const rest = [second, third, fourth];
    const left = await dkv(rest, 'decommission', leaving.id, '--wait', '--within', '60');
    expect([left.code, left.error]).toEqual([0, '']);
    await settledAs(rest);
    await until('the node to have nothing left', async () => (await recordsOf(leaving)) === 0, WITHIN_MS);
    expect((await leaving.http.send('GET', '/health/ready')).text).toContain('it has left the cluster');
    await goesOn();
    await writes.end();
    expect([...writes.statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    for (const node of rest) {
      expect(await writes.missing(node, 'quorum')).toEqual([]);
      expect(await writes.missing(node, 'one')).toEqual([]);
    }
  });
});

describe('members that are killed while partitions move', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, settings(2));

  it('go on when they are back: the one that joins, one that keeps the configuration, the one that leaves', async () => {
    const { nodes, newcomers } = cluster();
    const [first, second, third] = nodes as [DemoNode, DemoNode, DemoNode];
    const [fourth, fifth] = newcomers as [DemoNode, DemoNode];
    await underLoad('kills', nodes, async (load) => {
      await launchInto(first, fourth);
      await fourth.kill9();
      await load.goesOn();
      await fourth.start();
      await settledAs([...nodes, fourth]);

      await launchInto(second, fifth);
      await first.kill9();
      await load.goesOn();
      await first.start();
      await settledAs([...nodes, ...newcomers]);

      expect((await dkv(nodes, 'decommission', second.id)).code).toBe(0);
      await moving(third);
      await second.kill9();
      await load.goesOn();
      second.launch();
      const rest = [first, third, fourth, fifth];
      await settledAs(rest);
      await until('the node to know that it has left', async () =>
        (await second.http.send('GET', '/health/ready')).text.includes('it has left the cluster'),
      );
      return rest;
    });
  });

  it('all at once go on as well, though discovery shows those alone that there were first', async () => {
    const [first, second, third] = cluster().nodes as [DemoNode, DemoNode, DemoNode];
    const [fourth, fifth] = cluster().newcomers as [DemoNode, DemoNode];
    await underLoad('crash', [first, third], async () => {
      await second.stop();
      await rm(second.dataDir, { recursive: true });
      await launchInto(first, second);
      const all = [first, second, third, fourth, fifth];
      await Promise.all(all.map((node) => node.kill9()));
      all.forEach((node) => node.launch());
      await settledAs(all);
      return all;
    });
  });
});

describe('a member that is down for too long', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, settings(1, { DKV_MEMBER_REMOVAL_MS: '2000' }));

  it('gives its copies to others, and joins anew with the folder that it had, or with an empty one', async () => {
    const { nodes, newcomers } = cluster();
    const [first, second, victim] = nodes as [DemoNode, DemoNode, DemoNode];
    await underLoad('downtime', [first, second], async (load) => {
      await newcomers[0]!.start();
      const rest = [first, second, newcomers[0]!];
      await settledAs([...rest, victim]);
      for (const isFolderLost of [false, true]) {
        await victim.kill9();
        const { members } = await settledAs(rest);
        expect(members.map(({ copies }) => copies.held)).toEqual(rest.map(() => PARTITIONS));
        await load.goesOn();
        if (isFolderLost) {
          await rm(victim.dataDir, { recursive: true });
        }
        await victim.start();
        await settledAs([...rest, victim]);
        expect(await recordsOf(victim)).toBeGreaterThan(0);
      }
      return [...rest, victim];
    });
  });
});
