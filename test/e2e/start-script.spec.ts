/** `npm start` and `npm run demo:node` as a user meets them: some nodes, one Ctrl-C, clear words when something is in the way. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DemoClient } from './demo-client.js';
import { type Ending } from './demo-node.js';
import { pickFreePorts } from './free-ports.js';
import { until } from './until.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));
const NODE_SCRIPT = fileURLToPath(new URL('../../scripts/demo-node.mjs', import.meta.url));
const NODES = 3;
const READY = 'The cluster is ready';

describe('npm start', { timeout: 300_000 }, () => {
  let folder: string;
  let httpPort: number;
  let peerPort: number;
  let script: ChildProcess | undefined;
  let output = '';
  let closed: Promise<Ending>;
  /** Also waits for the nodes: they write to the same pipe, which closes with the last of them. */
  const ended = () => closed;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dkv-e2e-'));
    const ports = await pickFreePorts(2 * NODES);
    httpPort = ports[0]!;
    peerPort = ports[NODES]!;
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      process.stderr.write(output);
    }
    if (script && script.exitCode === null && script.signalCode === null) {
      script.kill('SIGTERM');
      await ended();
    }
    await rm(folder, { recursive: true, force: true });
  });

  function start(...args: readonly string[]): void {
    output = '';
    script = spawn(process.execPath, [SCRIPT, ...args], {
      env: {
        PATH: process.env.PATH,
        HOST: '127.0.0.1',
        DEMO_PORT: String(httpPort),
        DEMO_PEER_PORT: String(peerPort),
        DEMO_DATA_DIR: folder,
        DEMO_PREPARED: '1',
        MONKEY_RATE: '20',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer) => {
      output += chunk.toString();
    };
    script.stdout!.on('data', keep);
    script.stderr!.on('data', keep);
    closed = new Promise((resolve) => script!.once('close', (code, signal) => resolve({ code, signal })));
  }

  async function startAndWait(...args: readonly string[]): Promise<void> {
    start(...args);
    await until('the cluster to be ready', async () => script!.exitCode !== null || output.includes(READY));
    expect(output).toContain(READY);
  }

  const node = (index: number) => new DemoClient(httpPort + index);

  it('runs three nodes that play, stops all at Ctrl-C, finds the data again, and leaves none behind', async () => {
    await startAndWait();
    expect(output).toContain(`http://127.0.0.1:${httpPort + 2}`);
    const { body } = await node(0).put('kept', 'over a restart');
    expect((await node(2).get('kept', 'quorum')).body.version).toBe(body.version);
    await until('the monkeys to play', async () => {
      const { text } = await node(1).send('GET', '/metrics');
      return Number(/op="addOrUpdate",result="ok"} (\d+)/.exec(text)?.[1]) > 5;
    });
    script!.kill('SIGINT');
    expect(await ended()).toEqual({ code: 0, signal: null });
    expect(output.match(/node(\d): Node node\1 has stopped/g)).toHaveLength(3);
    expect(output).not.toMatch(/ERROR/);

    await startAndWait();
    expect((await node(1).get('kept', 'quorum')).body).toMatchObject({ value: 'over a restart' });
    // Killed, it can tell nobody; the nodes find out by themselves.
    script!.kill('SIGKILL');
    await ended();
    expect(output.match(/node(\d): Node node\1 has stopped/g)).toHaveLength(3);
  });

  it('names a port that is taken before it starts anything', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(peerPort + 1, '127.0.0.1', resolve));
    start();
    expect(await ended()).toEqual({ code: 1, signal: null });
    blocker.close();
    expect(output).toMatch(
      new RegExp(`^The port ${peerPort + 1} is taken by another process; nothing was started`),
    );
    expect(output).toContain('DEMO_PEER_PORT');
    expect(output).not.toContain('application');
  });

  it('runs as many nodes as it is told, and names those that a folder has besides', async () => {
    await mkdir(join(folder, 'node3'));
    await startAndWait('--nodes', '2');
    expect(output).toContain(`${folder} has folders of node3 as well.`);
    const { body } = await node(1).send('GET', '/cluster');
    expect(body.nodes!.map(({ nodeId }) => nodeId)).toEqual(['node1', 'node2']);
    expect((await node(0).put('kept', 'by two')).status).toBe(200);
  });

  it.each([
    [
      ['--nodes', '10'],
      '--nodes is "10". npm start -- --nodes 5: give a number from 1 to 9, or nothing for 3.',
    ],
    [['--nodes', 'all'], '--nodes is "all". npm start -- --nodes 5: give a number from 1 to 9'],
    [['--node', '3'], "Unknown option '--node'. npm start -- --nodes 5: give a number from 1 to 9"],
    [['3'], "Unexpected argument '3'. npm start -- --nodes 5: give a number from 1 to 9"],
  ])('refuses %j', async (args, says) => {
    start(...args);
    expect(await ended()).toEqual({ code: 1, signal: null });
    expect(output).toContain(says);
  });

  it('stops the others when one node dies by itself', async () => {
    await startAndWait();
    const [, pid] = /node2: application .*, process (\d+)/.exec(output) ?? [];
    process.kill(Number(pid), 'SIGKILL');
    expect(await ended()).toEqual({ code: 1, signal: null });
    expect(output).toContain('node2 was ended by SIGKILL by itself; the other nodes are stopped.');
    expect(output.match(/node(\d): Node node\1 has stopped/g)).toHaveLength(2);
  });
});

it.each([
  [
    { NODE_ID: 'node10' },
    'NODE_ID is "node10": give node1 to node9, whose ports and folder follow from the number.',
  ],
  [{ NODE_ID: 'a' }, 'For another name leave NODE_ID out, and set DKV_NODE_ID, PORT, DKV_NODES'],
  [{ NODE_ID: 'node4', DKV_NODE_ID: 'b' }, 'NODE_ID is "node4" and DKV_NODE_ID is "b": set one of the two.'],
  [{ NODE_ID: 'node4', DEMO_PORT: 'x' }, 'DEMO_PORT is "x": give a port from 1 to 65532.'],
])('npm run demo:node refuses %j', (variables, says) => {
  const env = { PATH: process.env.PATH, ...variables };
  const { status, stderr } = spawnSync(process.execPath, [NODE_SCRIPT], { env, encoding: 'utf8' });
  expect([status, stderr]).toEqual([1, expect.stringContaining(says)]);
});
