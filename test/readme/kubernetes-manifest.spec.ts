/** The manifest of docs/kubernetes.md is sound YAML, agrees with itself, and with what the library and the guides' application have. */
import { load, loadAll } from 'js-yaml';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { resolveOptions } from '../../libs/dkv/src/dkv.options.js';
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

it('names in its command a claim and a pod that there are', () => {
  const commands = shellBlocksOf(GUIDE).join('\n');
  const pods = Array.from({ length: set.spec.replicas }, (_, at) => `${set.metadata.name}-${at}`);
  const [, claim] = /delete pvc (\S+)/.exec(commands)!;
  const [, name] = /delete pod (\S+)/.exec(commands)!;
  expect(pods).toContain(name);
  expect(claim).toBe(`${set.spec.volumeClaimTemplates[0]!.metadata.name}-${name}`);
  const guide = readFileSync(new URL(`../../${GUIDE}`, import.meta.url), 'utf8');
  expect(guide).toContain(`kubectl rollout restart statefulset/${set.metadata.name}\``);
});
