/**
 * docs/kubernetes.md: its example is a node of the manifests' cluster, and its commands name what is there and end as it says. Those of
 * Helm are typed where Helm is: `test/integrations/helm-chart.spec.ts`.
 */
import { type ValueProvider } from '@nestjs/common';
import { type DkvModuleOptions } from 'nestjs-dkv';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LOOK_MS } from '../../libs/dkv/src/cli/online/members/watched-moves.js';
import { resolveOptions } from '../../libs/dkv/src/dkv.options.js';
import { runShell } from '../../libs/dkv/testing/cli/captured-terminal.js';
import { HastyClock } from '../../libs/dkv/testing/cli/hasty-clock.js';
import { leftMoves, TOLD_AT_MS } from '../../libs/dkv/testing/cli/sample-reports.js';
import { ADMIN_KEY, StandInNode } from '../../libs/dkv/testing/cli/stand-in-node.js';
import { applicationOf, objectsIn, ofKind, variablesOf } from '../deploy/rendered-objects.js';
import { blocksOf, documentText, shellBlocksOf } from './documented.js';
import { kubernetes } from './kubernetes-examples.js';

const GUIDE = 'docs/kubernetes.md';
const guide = documentText(GUIDE);
const objects = objectsIn(readFileSync(new URL('../../deploy/kubernetes/app.yaml', import.meta.url), 'utf8'));
const [set] = ofKind(objects, 'StatefulSet');
const { name } = set!.metadata;
const { replicas } = set!.spec;
const container = applicationOf(objects);

afterEach(() => vi.unstubAllEnvs());

describe('the example', () => {
  const optionsIn = (pod: string, more: Readonly<Record<string, string>> = {}) => {
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '10.96.0.1');
    const variables = { ...variablesOf(container, pod), ...more };
    Object.entries(variables).forEach(([variable, value]) => vi.stubEnv(variable, value));
    return kubernetes()
      .providers!.map((provider) => (provider as ValueProvider<DkvModuleOptions>).useValue)
      .find((value) => value?.discovery)!;
  };

  it('is a node of its own in each pod, with all that the manifests give', () => {
    const options = optionsIn(`${name}-1`);
    expect(resolveOptions(options)).toMatchObject({
      nodeId: `${name}-1`,
      dataDir: '/data/dkv',
      peerPort: 7000,
      apiKey: 'the-api-key',
      adminKey: 'the-admin-key',
    });
    expect(options.tls).toBeUndefined();
    expect(options.discovery).toMatchObject({
      options: { service: set!.spec.serviceName, portName: 'peers' },
    });
  });

  it('encrypts where the chart mounts certificates', () => {
    const paths = { DKV_TLS_KEY: '/tls/tls.key', DKV_TLS_CERT: '/tls/tls.crt', DKV_TLS_CA: '/tls/ca.crt' };
    const { tls } = optionsIn(`${name}-0`, paths);
    expect(tls).toEqual({ keyFile: '/tls/tls.key', certFile: '/tls/tls.crt', caFile: '/tls/ca.crt' });
  });

  it('reads no variable that the chart does not set', () => {
    const read = [
      ...blocksOf(GUIDE)
        .join()
        .matchAll(/process\.env\.(\w+)/g),
    ].map(([, variable]) => variable!);
    const given = [...container.env.map((each) => each.name), 'DKV_TLS_KEY', 'DKV_TLS_CERT', 'DKV_TLS_CA'];
    expect(read.filter((variable) => !given.includes(variable))).toEqual([]);
  });
});

describe('the commands', () => {
  const commands = shellBlocksOf(GUIDE).map((block) => block.split('\n'));
  const lines = commands.flat();
  const pods = Array.from({ length: replicas }, (_, at) => `${name}-${at}`);
  const next = `${name}-${replicas}`;
  const claimOf = (pod: string) => `${set!.spec.volumeClaimTemplates[0]!.metadata.name}-${pod}`;

  it('make the keys that the pods are given', () => {
    const [made] = lines;
    const references = container.env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []);
    expect(references.length).toBeGreaterThan(1);
    for (const reference of references) {
      expect(made).toContain(`secret generic ${reference.name} `);
      expect(made).toContain(`--from-literal=${reference.key}=$(openssl rand -hex 32)`);
    }
  });

  it('name pods, claims and the set as they are', () => {
    expect(guide).toContain(`kubectl rollout restart statefulset/${name}\``);
    const told = [...lines.join('\n').matchAll(/statefulset\/(\S+)|exec (\S+)|delete pod (\S+)/g)];
    const names = told.map(([, ...groups]) => groups.find((group) => group !== undefined)!);
    expect(names.filter((each) => each !== name && !pods.includes(each))).toEqual([]);
    expect(names.length).toBeGreaterThan(4);
    const claims = [...lines.join('\n').matchAll(/delete pvc (\S+)/g)].map(([, claim]) => claim);
    expect(claims).toEqual([next, next, pods[1]!].map(claimOf));
  });

  it('take the next pod in, and out before the set is made smaller', () => {
    const scaled = lines.flatMap(
      (line) => /--set replicas=(\d+)|--replicas=(\d+)/.exec(line)?.slice(1) ?? [],
    );
    expect(scaled.filter((count) => count !== undefined)).toEqual(
      [replicas + 1, replicas, replicas].map(String),
    );
    const byHand = commands.find(([first]) => first!.includes('decommission'))!;
    expect(byHand[0]).toContain(`dkv decommission ${next} --wait`);
    expect(byHand[1]).toContain('kubectl scale');
  });

  it('ask dkv at a pod that stays, as it is printed', async () => {
    const node = await new StandInNode().start();
    node.replies['POST /admin/decommission'] = { body: { epoch: 8 } };
    node.replies['GET /admin/moves'] = { body: leftMoves(58) };
    const asked = lines.flatMap((line) => /^kubectl exec (\S+) -- dkv (.*)$/.exec(line)?.slice(1) ?? []);
    expect(asked.length).toBe(4);
    for (let at = 0; at < asked.length; at += 2) {
      expect(pods).toContain(asked[at]);
      // Address and key are in the pod's environment.
      const { code, out } = await runShell(asked[at + 1]!.split(' '), {
        env: { ...variablesOf(container, ''), DKV_URL: node.url, DKV_ADMIN_KEY: ADMIN_KEY },
        clock: new HastyClock(LOOK_MS, TOLD_AT_MS),
      });
      expect(code).toBe(0);
      expect(guide).toContain(`ends with \`${out.trimEnd().split('\n').at(-1)}\``);
    }
    await node.stop();
  });
});
