/** Disks that are lost, one after another, machines that go down, logs that are damaged: nothing acknowledged is lost. */
import { open, readdir, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bootedAs } from './booted-as.js';
import { type DemoCluster, useCluster } from './demo-cluster.js';
import { type DemoNode } from './demo-node.js';
import { until } from './until.js';
import { WriteStream } from './write-stream.js';

/**
 * From the start of a node with an empty folder to its being ready: a voter again in all its partitions. It is to take 15 s
 * at most on a machine with time for it; those that run tests are shared.
 */
const BACK_WITHIN_MS = 60_000;

async function untilMore(writes: WriteStream, count = 30): Promise<void> {
  const before = writes.acknowledged.length;
  await until('writes to go on', async () => writes.acknowledged.length >= before + count, 30_000);
}

async function expectAll(nodes: readonly DemoNode[], streams: readonly WriteStream[]): Promise<void> {
  for (const node of nodes) {
    for (const writes of streams) {
      expect(await writes.missing(node, 'quorum')).toEqual([]);
    }
  }
}

/** Every write was answered, and none with anything but success or an honest refusal. */
function expectHonest(writes: WriteStream): void {
  expect(writes.unanswered).toEqual([]);
  expect([200, 503, 504]).toEqual(expect.arrayContaining([...writes.statuses]));
}

/** Takes the node away and starts it again while the others are written through: nothing acknowledged is lost, then or before. */
async function replace(
  cluster: DemoCluster,
  victim: DemoNode,
  earlier: WriteStream[],
  takeAway: () => Promise<unknown>,
): Promise<void> {
  const others = cluster.nodes.filter((node) => node !== victim);
  const writes = new WriteStream(others, `beside ${victim.id}`);
  earlier.push(writes);
  await untilMore(writes);
  await takeAway();
  await untilMore(writes);
  await victim.start({ withinMs: BACK_WITHIN_MS });
  await untilMore(writes);
  await writes.end();
  expectHonest(writes);
  await expectAll(cluster.nodes, earlier);
}

describe('a cluster that loses its disks, one after another', { timeout: 300_000 }, () => {
  const cluster = useCluster(3);

  it('takes each node back as a new voter, has all its data, and goes on writing', async () => {
    const { nodes } = cluster();
    const streams = [new WriteStream(nodes, 'before')];
    await untilMore(streams[0]!, 200);
    await streams[0]!.end();
    for (const victim of [...nodes].reverse()) {
      await replace(cluster(), victim, streams, async () => {
        await victim.kill9();
        await rename(victim.dataDir, `${victim.dataDir}.lost`);
      });
      await rm(`${victim.dataDir}.lost`, { recursive: true });
    }
    expect(cluster().log).toMatch(/joins cluster \w+, which exists, with an empty folder/);
  });
});

describe('a cluster that keeps all in memory', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, { env: { DKV_STORAGE: 'memory' } });

  it('has its data while its nodes are stopped or killed, and started one by one', async () => {
    const { nodes } = cluster();
    const streams: WriteStream[] = [];
    for (const [at, victim] of nodes.entries()) {
      await replace(cluster(), victim, streams, () => (at === 1 ? victim.kill9() : victim.stop()));
    }
  });

  it('goes on with what one node has when the others are killed at once', async () => {
    const { nodes } = cluster();
    const writes = new WriteStream(nodes, 'before two are killed');
    await untilMore(writes);
    await writes.end();
    const others = nodes.slice(1);
    await Promise.all(others.map((node) => node.kill9()));
    await Promise.all(others.map((node) => node.start({ withinMs: BACK_WITHIN_MS })));
    await expectAll(nodes, [writes]);
  });
});

describe('machines that go down', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, { env: bootedAs('first') });

  it('one: its node comes back as a new voter by itself, since its log was not synced, and says so', async () => {
    const { nodes } = cluster();
    const victim = nodes[2]!;
    const writes = new WriteStream(nodes.slice(0, 2), 'beside the machine');
    await untilMore(writes, 100);
    await victim.kill9();
    await untilMore(writes);
    await victim.start({ withinMs: BACK_WITHIN_MS, env: bootedAs('second') });
    await untilMore(writes);
    await writes.end();
    expectHonest(writes);
    await expectAll(nodes, [writes]);
    expect(victim.log).toMatch(
      /node3 may have forgotten what it acknowledged: the machine went down .*It goes on as a new voter/,
    );
  });

  it('none: a node that was killed, or stopped before its machine was, is the voter that it was', async () => {
    const [first, second, victim] = cluster().nodes as readonly [DemoNode, DemoNode, DemoNode];
    const told = victim.log.length;
    await victim.kill9();
    await victim.start({ withinMs: BACK_WITHIN_MS, env: bootedAs('second') });
    await victim.stop();
    await victim.start({ withinMs: BACK_WITHIN_MS, env: bootedAs('third') });
    await Promise.all([first.sees(victim, 'up'), second.sees(victim, 'up')]);
    expect(victim.log.slice(told)).not.toMatch(/forgotten/);
  });

  it('lose nothing that was acknowledged when all processes are killed at once', async () => {
    const { nodes } = cluster();
    const writes = new WriteStream(nodes, 'before the kill');
    await untilMore(writes, 300);
    await Promise.all(nodes.map((node) => node.kill9()));
    await writes.end();
    const boots = [{}, {}, { env: bootedAs('third') }];
    await Promise.all(nodes.map((node, index) => node.start(boots[index])));
    await cluster().settled();
    await expectAll(nodes, [writes]);
  });
});

describe('machines that all go down at once', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, { env: bootedAs('first') });

  it('are a cluster again by themselves, with all that their disks have', async () => {
    const { nodes } = cluster();
    const before = new WriteStream(nodes, 'before the night');
    await untilMore(before, 300);
    await Promise.all(nodes.map((node) => node.kill9()));
    await before.end();
    await Promise.all(nodes.map((node) => node.start({ withinMs: BACK_WITHIN_MS, env: bootedAs('second') })));
    const after = new WriteStream(nodes, 'after the night');
    await untilMore(after, 100);
    await after.end();
    expectHonest(after);
    await expectAll(nodes, [before, after]);
    expect(cluster().log).toMatch(/Partition \d+ goes on from here as generation 2/);
  });
});

describe('a log that is damaged', { timeout: 300_000 }, () => {
  const cluster = useCluster(3);
  let writes: WriteStream;

  const segmentOf = async ({ dataDir }: DemoNode): Promise<string> => {
    const names = (await readdir(join(dataDir, 'log'))).filter((name) => name.endsWith('.seg')).sort();
    return join(dataDir, 'log', names[0]!);
  };

  const expectRefused = async (node: DemoNode, what: RegExp): Promise<void> => {
    node.launch();
    expect((await node.ended()).code).toBe(1);
    expect(node.log).toMatch(what);
    expect(node.log).toContain('DKV_LOG_DAMAGED');
    expect(node.log).toContain(`npx -p nestjs-dkv dkv recover --data-dir ${node.dataDir}\n`);
  };

  it('in the middle is refused, naming file, offset and the command that goes on', async () => {
    const { nodes } = cluster();
    const victim = nodes[1]!;
    writes = new WriteStream(nodes, 'in the log');
    await untilMore(writes, 200);
    await writes.end();
    await victim.kill9();
    const path = await segmentOf(victim);
    const file = await open(path, 'r+');
    const { size } = await file.stat();
    await file.write(Buffer.alloc(64, 0xff), 0, 64, Math.floor(size / 2));
    await file.close();
    await expectRefused(victim, /log-\d+\.seg, offset \d+: /);
  });

  it('by a file that is missing is refused, and the disk as it was taken back', async () => {
    const victim = cluster().nodes[0]!;
    await cluster().nodes[1]!.kill9();
    await rm(cluster().nodes[1]!.dataDir, { recursive: true });
    await cluster().nodes[1]!.start({ withinMs: BACK_WITHIN_MS });
    await victim.kill9();
    const path = await segmentOf(victim);
    await rename(path, `${path}.away`);
    await expectRefused(victim, /log-\d+\.seg, offset 0: the file is missing/);
    await rename(`${path}.away`, path);
    await victim.start({ withinMs: BACK_WITHIN_MS });
    await cluster().settled();
    await expectAll(cluster().nodes, [writes]);
  });

  it('by an end that is gone makes its node a new voter, which refills from the others', async () => {
    const victim = cluster().nodes[2]!;
    await victim.kill9();
    const path = await segmentOf(victim);
    await truncate(path, 20_000);
    await victim.start({ withinMs: BACK_WITHIN_MS });
    expect(victim.log).toMatch(/may have forgotten what it acknowledged: .*durable up to \d+/);
    await cluster().settled();
    await expectAll(cluster().nodes, [writes]);
  });
});
