/**
 * What docs/demo.md and README.md say to type does what they say: the questions to a cluster, a fourth node that joins and leaves, and
 * three nodes by hand, of which one is killed.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { DemoClient } from '../e2e/demo-client.js';
import { useCluster } from '../e2e/demo-cluster.js';
import { pickFreePorts } from '../e2e/free-ports.js';
import { until } from '../e2e/until.js';
import { documentText, shellBlocksOf } from '../readme/documented.js';
import { curl } from './curl.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const [questions, fourth, byHand] = shellBlocksOf('docs/demo.md') as [string, string, string];
const NODES = [1, 2, 3];

describe('a running demo', () => {
  const cluster = useCluster(NODES.length, { env: { DKV_ADMIN_KEY: 'demo-admin-key' } });
  const portFor = (port: number) =>
    port < 7001 ? cluster().nodes[port - 3001]!.port : cluster().nodes[port - 7001]!.peerPort;
  const ask = async (path: string) => {
    const line = questions.split('\n').find((each) => each.includes(path))!;
    const { status, text } = await curl(line, portFor);
    return { status, body: JSON.parse(text) as unknown };
  };

  it('is asked by lines that this test knows', () => {
    expect(questions.split('\n').map((line) => /:[37]00\d(\/[\w/-]+)?/.exec(line)?.[1])).toEqual([
      '/items/cart-7',
      '/items/cart-7',
      '/cluster',
      '/admin/cluster',
      undefined,
      '/items/cart-8',
      '/counters/visits',
      '/locks/report',
    ]);
  });

  it('answers each of them as the guide tells', async () => {
    expect(await ask('PUT localhost:3001/items/cart-7')).toMatchObject({ status: 200 });
    await until(
      'what was written at one node to be read at another',
      async () => (await ask('curl localhost:3003/items/cart-7')).status === 200,
    );
    expect(await ask('curl localhost:3003/items/cart-7')).toMatchObject({ body: { value: { total: 12 } } });
    const nodes = NODES.map(() => expect.objectContaining({ state: 'up' }) as object);
    expect(await ask('/cluster')).toMatchObject({ status: 200, body: { nodes } });
    expect(await ask('/admin/cluster')).toMatchObject({
      status: 200,
      body: { health: 'ok', members: nodes },
    });
    expect(await ask('ifVersion=absent')).toMatchObject({ status: 200 });
    expect(await ask('ifVersion=absent')).toMatchObject({ status: 409, body: { code: 'DKV_CONFLICT' } });
    expect(await ask('/counters/visits')).toMatchObject({ status: 200, body: { value: 1 } });
    expect(await ask('/locks/report')).toMatchObject({ status: 200 });
  });

  it('is shown by the command line', async () => {
    const line = questions.split('\n').find((each) => each.includes('npm run -s dkv'))!;
    const typed = line.replace(/localhost:(\d+)/, (_, port) => `127.0.0.1:${portFor(Number(port))}`);
    const { stdout } = await promisify(execFile)('sh', ['-ec', typed], { cwd: ROOT });
    expect(stdout.match(/^node\d .*\bup\b/gm)).toHaveLength(NODES.length);
  });
});

describe('a demo that grows', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dkv-demo-grows-'));
  const commandsOf = (block: string) => block.split('\n').map((line) => line.replace(/\s+#.*$/, ''));
  const [start, join4, status] = commandsOf(shellBlocksOf('README.md')[1]!) as [string, string, string];
  const [join4Again, moves, members, decommission] = commandsOf(fourth) as [string, string, string, string];
  const keys = Array.from({ length: 50 }, (_, at) => `cart-${at}`);
  const terminals: ChildProcess[] = [];
  let ports: readonly number[] = [];
  let log = '';

  /** Ports and folder are those of the test, else all is as the documents have it. */
  const environment = () => ({
    ...process.env,
    HOST: '127.0.0.1',
    DEMO_PORT: `${ports[0]}`,
    DEMO_PEER_PORT: `${ports[4]}`,
    DEMO_DATA_DIR: folder,
    DEMO_PREPARED: '1',
    MONKEY_RATE: '5',
  });
  function open(command: string): ChildProcess {
    const env = environment();
    const terminal = spawn('sh', ['-ec', command], { cwd: ROOT, env, stdio: 'pipe', detached: true });
    for (const stream of [terminal.stdout, terminal.stderr]) {
      stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
    }
    terminals.push(terminal);
    return terminal;
  }
  async function type(command: string): Promise<string> {
    const typed = command.replace('localhost:7001', `127.0.0.1:${ports[4]}`);
    const { stdout } = await promisify(execFile)('sh', ['-ec', typed], { cwd: ROOT, env: environment() });
    return stdout.replaceAll(
      /127\.0\.0\.1:(\d+)/g,
      (_, port) => `127.0.0.1:${7001 + Number(port) - ports[4]!}`,
    );
  }
  /** Ctrl-C; the pipe closes with the last process that writes to it. */
  async function interrupt(terminal: ChildProcess): Promise<void> {
    if (terminal.exitCode === null && terminal.signalCode === null) {
      const closed = new Promise((resolve) => terminal.once('close', resolve));
      process.kill(-terminal.pid!, 'SIGINT');
      await closed;
    }
  }
  /** The lines of nodes as far as they are the same on every machine and at any time. */
  const nodesIn = (text: string) =>
    [...text.matchAll(/^ *(node\d {2}.*)$/gm)].map(([, line]) =>
      line!
        .split(/ {2,}/)
        .slice(0, 9)
        .map((cell) => cell.replace(/^up for .*/, 'up')),
    );
  const client = (number: number) => new DemoClient(ports[number - 1]!);
  async function ready(number: number, status: number, says: string): Promise<void> {
    await until(`node${number} to say ${says}`, async () => {
      const answer = await client(number).send('GET', '/health/ready');
      return answer.status === status && answer.text.includes(says);
    });
  }
  async function readable(number: number): Promise<void> {
    const read = await Promise.all(keys.map((key) => client(number).get(key, 'quorum')));
    expect(read.map(({ body }) => body.value)).toEqual(keys.map((key) => ({ of: key })));
  }
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      process.stderr.write(log);
    }
    await Promise.all(terminals.map(interrupt));
    rmSync(folder, { recursive: true, force: true });
  });

  it('by a fourth node has its share there, and gives it back when that leaves', async () => {
    ports = await pickFreePorts(8);
    open(start);
    for (const number of NODES) {
      await ready(number, 200, '"status":"ok"');
    }
    for (const key of keys) {
      expect((await client(1).put(key, { of: key })).status).toBe(200);
    }

    expect(join4Again).toBe(join4);
    const fourth = open(join4);
    await ready(4, 200, '"status":"ok"');
    for (const [command, path] of [
      [members, 'docs/demo.md'],
      [status, 'README.md'],
    ] as const) {
      const shown = nodesIn(documentText(path));
      expect(shown).toHaveLength(4);
      await until(`${path} to be true`, async () => {
        return JSON.stringify(nodesIn(await type(command))) === JSON.stringify(shown);
      });
    }
    expect(await type(moves)).toMatch(/^All is where it is to be: nothing moves \(epoch \d+\)\.\n$/m);
    await readable(4);

    expect(await type(decommission)).toMatch(/\nNode node4 is no member any more\.\n$/);
    expect(nodesIn(await type(members)).map(([id]) => id)).toEqual(['node1', 'node2', 'node3']);
    await ready(4, 503, 'it has left the cluster, and may be stopped');
    await interrupt(fourth);
    await Promise.all(NODES.map(readable));
  });
});

describe('three nodes in terminals of their own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dkv-demo-guide-'));
  const terminals: ChildProcess[] = [];
  let log = '';

  /** npm and the node that it runs, at once. */
  async function kill9(terminal: ChildProcess): Promise<void> {
    if (terminal.exitCode !== null || terminal.signalCode !== null) {
      return;
    }
    const closed = new Promise((resolve) => terminal.once('close', resolve));
    process.kill(-terminal.pid!, 'SIGKILL');
    await closed;
  }
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      process.stderr.write(log);
    }
    await Promise.all(terminals.map(kill9));
    rmSync(folder, { recursive: true, force: true });
  });

  it('go on when one of them is killed', async () => {
    const ports = await pickFreePorts(2 * NODES.length);
    for (const number of NODES) {
      const typed = byHand
        .replace('N=1', `N=${number}`)
        .replace('PORT=300$N', `PORT=$((${ports[0]! - 1} + N))`)
        .replaceAll(/127\.0\.0\.1:700(\d)/g, (_, at) => `127.0.0.1:${ports[2 + Number(at)]}`)
        .replace('/tmp/dkv-demo', folder);
      const env = { ...process.env, HOST: '127.0.0.1' };
      const terminal = spawn('sh', ['-ec', typed], { cwd: ROOT, env, stdio: 'pipe', detached: true });
      terminal.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
      terminal.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
      terminals.push(terminal);
    }
    const clients = NODES.map((_, at) => new DemoClient(ports[at]!));
    await Promise.all(
      clients.map((client, at) =>
        until(
          `node ${at + 1} to be ready`,
          async () =>
            terminals[at]!.exitCode !== null || (await client.send('GET', '/health/ready')).status === 200,
        ),
      ),
    );
    expect(terminals.map(({ exitCode }) => exitCode)).toEqual(NODES.map(() => null));
    expect((await clients[0]!.put('cart-7', { total: 12 })).status).toBe(200);
    await kill9(terminals.shift()!);
    await until(
      'a write without the first node',
      async () => (await clients[1]!.put('cart-7', { total: 13 })).status === 200,
    );
    expect((await clients[2]!.get('cart-7', 'quorum')).body.value).toEqual({ total: 13 });
  });
});
