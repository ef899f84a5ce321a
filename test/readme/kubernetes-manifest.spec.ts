/** The manifest of docs/kubernetes.md is sound YAML, agrees with itself, and with what the library and the guides' application have. */
import { load, loadAll } from 'js-yaml';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LOOK_MS } from '../../libs/dkv/src/cli/online/members/watched-moves.js';
import { resolveOptions } from '../../libs/dkv/src/dkv.options.js';
import { runShell } from '../../libs/dkv/testing/cli/captured-terminal.js';
import { HastyClock } from '../../libs/dkv/testing/cli/hasty-clock.js';
import { leftMoves, TOLD_AT_MS } from '../../libs/dkv/testing/cli/sample-reports.js';
import { ADMIN_KEY, StandInNode } from '../../libs/dkv/testing/cli/stand-in-node.js';
import { blocksOf, fencedBlocksOf, shellBlocksOf } from './documented.js';
import { HealthController } from './getting-started/health.controller.js';

const GUIDE = 'docs/kubernetes.md';
const MAIN = readFileSync(new URL('./getting-started/main.ts', import.meta.url), 'utf8');

interface Labels {
  readonly app: string;
}

interface Selector {
  readonly matchLabels: Labels;
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number };
}

interface Service {
  readonly kind: 'Service';
  readonly apiVersion: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly clusterIP: string;
    readonly publishNotReadyAddresses: boolean;
    readonly selector: Labels;
    readonly ports: readonly { readonly name: string; readonly port: number }[];
  };
}

interface Container {
  readonly ports: readonly { readonly containerPort: number }[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface StatefulSet {
  readonly kind: 'StatefulSet';
  readonly apiVersion: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly serviceName: string;
    readonly replicas: number;
    readonly podManagementPolicy: string;
    readonly selector: Selector;
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly affinity: {
          readonly podAntiAffinity: {
            readonly requiredDuringSchedulingIgnoredDuringExecution: readonly {
              readonly labelSelector: Selector;
            }[];
          };
        };
        readonly containers: readonly Container[];
      };
    };
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[];
  };
}

interface Budget {
  readonly kind: 'PodDisruptionBudget';
  readonly apiVersion: string;
  readonly spec: { readonly maxUnavailable: number; readonly selector: Selector };
}

const blocks = fencedBlocksOf(GUIDE, 'yaml');
const [service, set, budget] = loadAll(blocks[0]!) as [Service, StatefulSet, Budget];
const pod = set.spec.template;
const [container] = pod.spec.containers as [Container];
const ports = container.ports.map(({ containerPort }) => containerPort);

it('is one block of three objects, of the versions that Kubernetes has them in', () => {
  expect(blocks).toHaveLength(1);
  expect([service, set, budget].map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)).toEqual([
    'v1 Service',
    'apps/v1 StatefulSet',
    'policy/v1 PodDisruptionBudget',
  ]);
  expect(() => load('a: [1')).toThrow();
});

describe('the objects', () => {
  it('select the pods of the StatefulSet, all of them', () => {
    const { labels } = pod.metadata;
    const affinity = pod.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    expect([service.spec.selector, set.spec.selector.matchLabels, budget.spec.selector.matchLabels]).toEqual([
      labels,
      labels,
      labels,
    ]);
    expect(affinity.map(({ labelSelector }) => labelSelector.matchLabels)).toEqual([labels]);
  });

  it('give each pod a name of its own before it is ready, and start all at once', () => {
    expect(set.spec.serviceName).toBe(service.metadata.name);
    expect(service.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
    expect(set.spec.podManagementPolicy).toBe('Parallel');
  });

  it('let so many pods go that a majority stays', () => {
    expect(budget.spec.maxUnavailable).toBeLessThan(set.spec.replicas / 2);
  });

  it('mount the volume that is claimed', () => {
    const claims = set.spec.volumeClaimTemplates.map(({ metadata }) => metadata.name);
    expect(container.volumeMounts.map(({ name }) => name)).toEqual(claims);
  });
});

describe('the container', () => {
  it("opens the application's port and the library's, and the peers are asked on that", () => {
    const [, applicationPort] = /PORT \?\? (\d+)/.exec(MAIN)!;
    const { peerPort } = resolveOptions();
    expect(ports).toEqual([Number(applicationPort), peerPort]);
    expect(service.spec.ports.map(({ port }) => port)).toEqual([peerPort]);
  });

  it("is probed at the application's routes of health, on its port", () => {
    const pathOf = (target: object) => Reflect.getMetadata('path', target) as string;
    const methods: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(HealthController.prototype);
    const probe = (method: 'live' | 'ready') => ({
      path: `/${pathOf(HealthController)}/${pathOf(methods[method]!.value as object)}`,
      port: ports[0],
    });
    expect(container.livenessProbe.httpGet).toEqual(probe('live'));
    expect(container.readinessProbe.httpGet).toEqual(probe('ready'));
  });

  it('is given the variables that the example reads, and no other', () => {
    const read = [
      ...blocksOf(GUIDE)
        .join('\n')
        .matchAll(/process\.env\.(\w+)/g),
    ].map(([, name]) => name!);
    expect(container.env.map(({ name }) => name).sort()).toEqual([...new Set(read)].sort());
    expect(container.env.filter(({ value, valueFrom }) => !value === !valueFrom)).toEqual([]);
  });
});

describe('the commands', () => {
  const commands = shellBlocksOf(GUIDE).map((block) => block.split('\n'));
  const pods = Array.from({ length: set.spec.replicas }, (_, at) => `${set.metadata.name}-${at}`);
  const next = `${set.metadata.name}-${set.spec.replicas}`;
  const guide = readFileSync(new URL(`../../${GUIDE}`, import.meta.url), 'utf8');
  const claimOf = (name: string) => `${set.spec.volumeClaimTemplates[0]!.metadata.name}-${name}`;

  it('name a claim and a pod that there are', () => {
    const [, , [replaced]] = commands as [string[], string[], string[]];
    const [, claim] = /delete pvc (\S+)/.exec(replaced!)!;
    const [, name] = /delete pod (\S+)/.exec(replaced!)!;
    expect(pods).toContain(name);
    expect(claim).toBe(claimOf(name!));
    expect(guide).toContain(`kubectl rollout restart statefulset/${set.metadata.name}\``);
  });

  it('add the next pod, and take it out before the set is made smaller', () => {
    const [up, down] = commands as [string[], string[]];
    const listed = container.env.find(({ name }) => name === 'DKV_NODES')!.value!.split(',');
    expect(guide).toContain(`replicas: ${set.spec.replicas + 1}\` into the manifest`);
    expect(guide).toContain(`\`${listed[0]!.replaceAll(pods[0]!, next)}\` at the end of \`DKV_NODES\``);
    expect(up[1]).toBe(`kubectl rollout status statefulset/${set.metadata.name}`);
    expect(down[0]).toContain(`dkv decommission ${next} --wait`);
    expect(down.slice(1)).toEqual([
      `kubectl scale statefulset/${set.metadata.name} --replicas=${set.spec.replicas}`,
      `kubectl delete pvc ${claimOf(next)}`,
    ]);
  });

  it('ask dkv at a pod that stays, as it is printed', async () => {
    const node = await new StandInNode().start();
    node.replies['POST /admin/decommission'] = { body: { epoch: 8 } };
    node.replies['GET /admin/moves'] = { body: leftMoves(58) };
    for (const line of [commands[0]![2]!, commands[1]![0]!]) {
      const [, pod, typed] = /^kubectl exec (\S+) -- npx -p nestjs-dkv dkv (.*)$/.exec(line)!;
      expect(pods).toContain(pod);
      const args = typed!.replace(`http://localhost:${resolveOptions().peerPort}`, node.url).split(' ');
      const { code, out } = await runShell(args, {
        env: { DKV_ADMIN_KEY: ADMIN_KEY },
        clock: new HastyClock(LOOK_MS, TOLD_AT_MS),
      });
      expect(code).toBe(0);
      expect(guide).toContain(`ends with \`${out.trimEnd().split('\n').at(-1)}\``);
    }
    await node.stop();
  });
});
