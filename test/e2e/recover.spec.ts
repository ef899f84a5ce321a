/** `dkv recover` from outside: the commands that messages and guide name, on folders of real processes with RocksDB. */
import { execFile } from 'node:child_process';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { bootedAs } from './booted-as.js';
import { type DemoCluster, useCluster } from './demo-cluster.js';
import { type DemoNode } from './demo-node.js';
import { until } from './until.js';
import { WriteStream } from './write-stream.js';

const COMMAND = fileURLToPath(new URL('../../libs/dkv/dist/src/cli/dkv-command.js', import.meta.url));
const BACK_WITHIN_MS = 120_000;
/** So many bytes of values are more than one segment of a log. */
const BIG = 'x'.repeat(900_000);
const BIG_KEYS = 80;

interface Ran {
  readonly code: number;
  readonly out: string;
}

/** Runs `dkv recover` in a process of its own, with nobody to ask. */
function recover(args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [COMMAND, 'recover', ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), out: stdout + stderr }),
    );
    child.stdin?.end();
  });
}

const dataDirs = (nodes: readonly DemoNode[]) => nodes.flatMap(({ dataDir }) => ['--data-dir', dataDir]);

/** What the node's last start told to do: its arguments of `dkv recover`. */
function advised(node: DemoNode): readonly string[] {
  const found = [...node.log.matchAll(/npx -p nestjs-dkv dkv recover (--data-dir \S+)\n/g)].at(-1);
  return found![1]!.split(' ');
}

async function segmentsOf({ dataDir }: DemoNode): Promise<readonly string[]> {
  const names = (await readdir(join(dataDir, 'log'))).filter((name) => name.endsWith('.seg')).sort();
  return names.map((name) => join(dataDir, 'log', name));
}

async function expectRefused(node: DemoNode): Promise<void> {
  node.launch();
  expect((await node.ended()).code).toBe(1);
  expect(node.log).toContain('DKV_LOG_DAMAGED');
}

describe('dkv recover', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, { env: { DKV_STORAGE: 'rocksdb', ...bootedAs('first') } });
  let writes: WriteStream;

  const expectAll = async ({ nodes }: DemoCluster): Promise<void> => {
    await cluster().settled();
    for (const node of nodes) {
      expect(await writes.missing(node, 'quorum')).toEqual([]);
    }
  };

  beforeAll(async () => {
    const { nodes } = cluster();
    writes = new WriteStream(nodes, 'kept');
    await until('writes', async () => writes.acknowledged.length >= 300);
    await writes.end();
  }, 300_000);

  it('of a log that is damaged in its middle: the node comes back as a new voter', async () => {
    const victim = cluster().nodes[1]!;
    await victim.kill9();
    const file = await open((await segmentsOf(victim))[0]!, 'r+');
    const { size } = await file.stat();
    await file.write(Buffer.alloc(64, 0xff), 0, 64, Math.floor(size / 2));
    await file.close();
    await expectRefused(victim);
    expect(await recover(advised(victim))).toMatchObject({
      code: 5,
      out: expect.stringMatching(/it starts as a new voter[^]*give --yes/) as string,
    });
    await expectRefused(victim);
    expect((await recover([...advised(victim), '--yes'])).code).toBe(0);
    await victim.start({ withinMs: BACK_WITHIN_MS });
    await expectAll(cluster());
  });

  it('of a log without one of its segments: the same', async () => {
    const victim = cluster().nodes[2]!;
    const own = cluster().nodes[0]!;
    // A segment that was only just begun has nothing yet that could be told from a torn end.
    const hasSecond = async () => {
      const segments = await segmentsOf(victim);
      return segments.length > 1 && (await stat(segments.at(-1)!)).size > BIG.length;
    };
    for (let number = 0; !(await hasSecond()) && number < 3 * BIG_KEYS; number++) {
      expect((await own.http.put(`big ${number % BIG_KEYS}`, BIG)).status).toBe(200);
    }
    await victim.kill9();
    await rm((await segmentsOf(victim))[0]!);
    await expectRefused(victim);
    expect(victim.log).toMatch(/log-\d+\.seg, offset 0: the file is missing/);
    expect((await recover([...advised(victim), '--yes'])).code).toBe(0);
    await victim.start({ withinMs: BACK_WITHIN_MS });
    await expectAll(cluster());
  });

  it('of the folders that are left, when the whole cluster lost power under wal and a node does not come back', async () => {
    const { nodes } = cluster();
    const [first, second, away] = nodes as [DemoNode, DemoNode, DemoNode];
    const left = [first, second];
    await Promise.all(nodes.map((node) => node.kill9()));
    for (const node of left) {
      node.launch(bootedAs('second'));
    }
    await until('both to say that their majority is lost', async () =>
      left.every(({ log }) => log.includes('all folders in one command: npx -p nestjs-dkv dkv recover')),
    );
    expect(await recover([...dataDirs(left), '--yes'])).toMatchObject({ code: 3 });
    await Promise.all(left.map((node) => node.stop()));
    const one = await recover(dataDirs([first]));
    expect(one).toMatchObject({ code: 0, out: expect.stringContaining('Not given: node2, node3') as string });
    expect((await recover([...dataDirs(left), '--gone', away.id, '--yes'])).code).toBe(0);
    await Promise.all(nodes.map((node) => node.start({ withinMs: BACK_WITHIN_MS, env: bootedAs('second') })));
    await expectAll(cluster());
  });

  it('of the folder that is left, when two of three disks are gone', async () => {
    const { nodes } = cluster();
    const [left, ...lost] = nodes as [DemoNode, DemoNode, DemoNode];
    await Promise.all(nodes.map((node) => node.stop()));
    for (const { dataDir } of lost) {
      await rename(dataDir, `${dataDir}.lost`);
    }
    const gone = lost.flatMap(({ id }) => ['--gone', id]);
    expect(await recover([...dataDirs([left]), ...gone, '--yes'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/goes on as generation 3[^]*\d+ more go on likewise, from node1/) as string,
    });
    await Promise.all(nodes.map((node) => node.start({ withinMs: BACK_WITHIN_MS })));
    await expectAll(cluster());
    expect((await lost[0].http.put('after', 1)).status).toBe(200);
  });
});
