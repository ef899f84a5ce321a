/** The example of docs/kubernetes.md gives each pod of its StatefulSet a name that its list of nodes has, on a volume that is mounted. */
import { type ValueProvider } from '@nestjs/common';
import { type DkvModuleOptions } from 'nestjs-dkv';
import { readFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { kubernetes } from './kubernetes-examples.js';

const guide = readFileSync(new URL('../../docs/kubernetes.md', import.meta.url), 'utf8');
const told = (pattern: RegExp) => guide.match(pattern)?.[1] ?? '';

afterEach(() => vi.unstubAllEnvs());

it.each([0, 1, 2])('is a node of its cluster in each pod: %i', async (number) => {
  const name = `${told(/kind: StatefulSet\nmetadata: \{ name: (\S+) \}/)}-${number}`;
  vi.stubEnv('POD_NAME', name);
  vi.stubEnv('DKV_NODES', told(/name: DKV_NODES\n\s+value: (\S+)/));
  vi.stubEnv('DKV_API_KEY', 'secret-of-the-tests');
  const options = kubernetes()
    .providers!.map((provider) => (provider as ValueProvider<DkvModuleOptions>).useValue)
    .find((value) => value?.discovery);
  const nodes = await options!.discovery!.getNodes();
  const service = told(/serviceName: (\S+)/);
  expect(nodes).toHaveLength(Number(told(/\n {2}replicas: (\d+)/)));
  expect(nodes.find(({ nodeId }) => nodeId === options!.nodeId)).toMatchObject({
    host: `${name}.${service}`,
    port: Number(told(/ports: \[\{ name: peers, port: (\d+) \}\]/)),
  });
  expect(options!.dataDir).toMatch(new RegExp(`^${told(/mountPath: (\S+) \}/)}/`));
});
