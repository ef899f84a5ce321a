/** What docs/discovery.md says to type finds three processes by each kind of service, and a restarted one again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DemoClient } from '../e2e/demo-client.js';
import { pickFreePorts } from '../e2e/free-ports.js';
import { until } from '../e2e/until.js';
import { shellBlocksOf } from '../readme/documented.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));
const COMMANDS = shellBlocksOf('docs/discovery.md').flatMap((block) => block.split('\n'));
const KINDS = COMMANDS.flatMap((line) => /^DEMO_DISCOVERY=(\w+) npm start(?:\s|$)/.exec(line)?.[1] ?? []);

let folder = '';
let script: ChildProcess | undefined;
let output = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dkv-demo-discovery-'));
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    process.stderr.write(output);
  }
  await stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(kind: string, ports: readonly number[]): Promise<void> {
  output = '';
  script = spawn(process.execPath, [SCRIPT], {
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      DEMO_PORT: String(ports[0]),
      DEMO_PEER_PORT: String(ports[3]),
      DEMO_DATA_DIR: folder,
      DEMO_DISCOVERY: kind,
      DEMO_PREPARED: '1',
      MONKEY_RATE: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  script.stdout!.on('data', keep);
  script.stderr!.on('data', keep);
  await until(
    `a cluster by ${kind}`,
    async () => script!.exitCode !== null || output.includes('The cluster is ready'),
  );
  expect(output).toContain('The cluster is ready');
}

async function stop(): Promise<void> {
  if (script && script.exitCode === null) {
    const closed = new Promise((resolve) => script!.once('close', resolve));
    script.kill('SIGINT');
    await closed;
  }
}

it('all kinds that the demo knows stand in the guide', () => {
  expect(KINDS).toEqual(['dns', 'etcd', 'service']);
});

it.each(KINDS)('three processes find each other by %s, at the first start and at the next', async (kind) => {
  const ports = await pickFreePorts(6);
  await start(kind, ports);
  const node = (at: number) => new DemoClient(ports[0]! + at);
  const statesAt = async (at: number) =>
    (await node(at).send('GET', '/cluster')).body.nodes
      ?.map(({ nodeId, state }) => `${nodeId} ${state}`)
      .join();
  for (const at of [0, 1, 2]) {
    await until('all to see all', async () => (await statesAt(at)) === 'node1 up,node2 up,node3 up');
  }
  expect((await node(0).put('kept', kind)).status).toBe(200);
  await stop();
  expect(script!.exitCode).toBe(0);
  expect(output).not.toMatch(/ERROR/);

  await start(kind, ports);
  expect((await node(2).get('kept', 'quorum')).body).toMatchObject({ value: kind });
});
