/** The script that the chart runs before there are fewer pods, against real processes: who goes leaves first, and what fails lets no pod go. */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type MovesReport } from 'nestjs-dkv';
import { KubernetesApi } from '../deploy/kubernetes-api.js';
import { API_KEY } from './demo-cluster.js';
import { DemoNode } from './demo-node.js';
import { DKV_COMMAND } from './dkv-process.js';
import { pickFreePorts } from './free-ports.js';

const SCRIPT = readFileSync(new URL('../../deploy/helm/files/scale-down.mjs', import.meta.url), 'utf8');
const ADMIN_KEY = 'the-key-of-operators';
const PODS = 4;
const KEYS = Array.from({ length: 20 }, (_, at) => `key-${at}`);

let folder: string;
let api: KubernetesApi;
let nodes: DemoNode[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dkv-scale-down-'));
  // As the image has it: a command on the path.
  const command = join(folder, 'dkv');
  await writeFile(command, `#!/bin/sh\nexec "${process.execPath}" "${DKV_COMMAND}" "$@"\n`);
  await chmod(command, 0o755);
  const ports = await pickFreePorts(2 * PODS);
  const peerPorts = ports.splice(PODS);
  const env = {
    DKV_NODES: peerPorts.map((port, at) => `app-${at}=127.0.0.1:${port}`).join(),
    DKV_API_KEY: API_KEY,
    DKV_ADMIN_KEY: ADMIN_KEY,
    DKV_PARTITIONS: '8',
    DKV_REPLICAS: '1',
  };
  nodes = ports.map((port, at) => {
    const id = `app-${at}`;
    return new DemoNode({ id, port, peerPort: peerPorts[at]!, dataDir: join(folder, id), env });
  });
  await Promise.all(nodes.map((node) => node.start()));
}, 300_000);
beforeEach(async () => {
  api = await new KubernetesApi('app', 'app-peers').start();
});
afterEach(() => api.stop());
afterAll(async () => {
  await Promise.all(nodes.filter(({ running }) => running).map((node) => node.kill9()));
  await rm(folder, { recursive: true, force: true });
});

/** As the Job has it, for a set of so many pods. */
async function scaleDownTo(replicas: number, asked = nodes.slice(0, 2)) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', SCRIPT], {
    env: {
      ...api.env,
      PATH: `${folder}${delimiter}${process.env.PATH}`,
      STATEFUL_SET: 'app',
      REPLICAS: String(replicas),
      WITHIN_SECONDS: '120',
      DKV_URL: asked.map(({ peerPort }) => `http://127.0.0.1:${peerPort}`).join(),
      DKV_ADMIN_KEY: ADMIN_KEY,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const keep = (chunk: Buffer) => (log += chunk.toString());
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, log };
}

async function membersAt({ peerHttp }: DemoNode): Promise<string[]> {
  const { text } = await peerHttp.send('GET', '/admin/moves', { headers: { 'x-admin-key': ADMIN_KEY } });
  return (JSON.parse(text) as MovesReport).members.map(({ nodeId }) => nodeId);
}

describe('before an upgrade', { timeout: 300_000 }, () => {
  it.each([
    ['as many pods', PODS, 'No pod of app goes: there are 4, and 4 are to be.\n'],
    ['more pods', PODS + 1, 'No pod of app goes: there are 4, and 5 are to be.\n'],
  ])('to %s no node is asked for anything', async (_, replicas, log) => {
    api.replicas = PODS;
    expect(await scaleDownTo(replicas, [])).toEqual({ code: 0, log });
  });

  it('of a set that is not there yet nothing is done', async () => {
    api.replicas = undefined;
    expect(await scaleDownTo(2, [])).toEqual({
      code: 0,
      log: 'No pod of app goes: there are 0, and 2 are to be.\n',
    });
  });

  it('no pod may go where the API does not tell how many there are', async () => {
    api.failure = 403;
    const { code, log } = await scaleDownTo(2);
    expect(code).toBe(1);
    expect(log).toContain('The API answers 403 for the StatefulSet app: no pod may go.');
    expect(await membersAt(nodes[0]!)).toHaveLength(PODS);
  });

  it('to fewer pods those that go leave the cluster with nothing lost, and asked again nothing is done', async () => {
    for (const key of KEYS) {
      const { status } = await nodes[0]!.http.send('PUT', `/items/${key}`, { body: JSON.stringify({ key }) });
      expect(status).toBe(200);
    }
    api.replicas = PODS;
    const { code, log } = await scaleDownTo(2);
    expect([code, log]).toEqual([0, log]);
    expect(log).toContain('Node app-2 leaves');
    expect(log).toContain('Node app-3 leaves');
    expect(log).toMatch(/No member of app is without a pod when there are 2\.\n$/);
    expect(await membersAt(nodes[0]!)).toEqual(['app-0', 'app-1']);
    await Promise.all(nodes.slice(2).map((node) => node.kill9()));
    for (const key of KEYS) {
      const { status, body } = await nodes[1]!.http.send('GET', `/items/${key}?consistency=linearizable`);
      expect([status, body.value]).toEqual([200, { key }]);
    }

    const again = await scaleDownTo(2);
    expect(again).toEqual({ code: 0, log: 'No member of app is without a pod when there are 2.\n' });
  });

  it('no pod may go where a member cannot leave, or nobody answers', async () => {
    api.replicas = 2;
    const alone = await scaleDownTo(0);
    expect(alone.code).toBe(1);
    expect(alone.log).toContain('No member would be left that could hold the data.');
    expect(alone.log).toMatch(/Node app-1 was not asked to leave: no pod may go\.\n$/);

    await Promise.all(nodes.slice(0, 2).map((node) => node.kill9()));
    const unheard = await scaleDownTo(1);
    expect(unheard.code).toBe(1);
    expect(unheard.log).toContain('The members could not be asked for: no pod may go.');
  });
});
