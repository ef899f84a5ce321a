/** What the chart makes, as objects, and what of that is not as the product has it: an empty list where the two agree. */
import { loadAll } from 'js-yaml';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { vi } from 'vitest';
import { Environment, readEnvironment } from '../../apps/demo/src/environment.js';

type Labels = Readonly<Record<string, string>>;

export interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string };
    readonly secretKeyRef?: { readonly name: string; readonly key: string };
  };
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

export interface Container {
  readonly name: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env: readonly Variable[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly securityContext: object;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface PodSpec {
  readonly serviceAccountName?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext: object;
  readonly affinity?: unknown;
  readonly topologySpreadConstraints?: unknown;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[];
}

interface Pod {
  readonly metadata: { readonly labels: Labels };
  readonly spec: PodSpec;
}

/** An object of any kind: what a kind has not is undefined. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Labels; readonly annotations?: Labels };
  readonly spec: PodSpec & {
    readonly replicas: number;
    readonly serviceName: string;
    readonly podManagementPolicy: string;
    readonly selector: Labels & { readonly matchLabels?: Labels };
    readonly template: Pod;
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[];
    readonly clusterIP?: string;
    readonly publishNotReadyAddresses?: boolean;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
    readonly podSelector: { readonly matchLabels: Labels };
    readonly ingress: readonly {
      readonly ports: readonly { readonly port: string }[];
      readonly from?: readonly { readonly podSelector?: { readonly matchLabels: Labels } }[];
    }[];
    readonly endpoints: readonly { readonly port: string; readonly path: string }[];
    readonly groups: readonly {
      readonly rules: readonly { readonly alert: string; readonly expr: string }[];
    }[];
  };
  readonly rules: readonly {
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
  readonly data: Readonly<Record<string, string>>;
}

/** The documents of a YAML file that hold something. */
export function objectsIn(text: string): KubernetesObject[] {
  return loadAll(text).filter((object) => object != null) as KubernetesObject[];
}

export function ofKind(objects: readonly KubernetesObject[], kind: string): KubernetesObject[] {
  return objects.filter((object) => object.kind === kind);
}

/** The pods that the objects make, by the name of their object. */
export function podsOf(objects: readonly KubernetesObject[]): (Pod & { readonly of: string })[] {
  return objects.flatMap((object) => {
    const of = `${object.kind} ${object.metadata.name}`;
    if (object.kind === 'Pod') {
      return [{ of, metadata: object.metadata, spec: object.spec }];
    }
    return object.kind === 'StatefulSet' || object.kind === 'Job' ? [{ of, ...object.spec.template }] : [];
  });
}

const containersOf = ({ spec }: Pod) => [...(spec.initContainers ?? []), ...spec.containers];

/** The container of the application, in a pod of the StatefulSet. */
export function applicationOf(objects: readonly KubernetesObject[]): Container {
  return ofKind(objects, 'StatefulSet')[0]!.spec.template.spec.containers[0]!;
}

/** What the variables of a container are in the pod with this name. */
export function variablesOf({ env }: Container, podName: string): Record<string, string> {
  const of = ({ value, valueFrom }: Variable) =>
    value ?? (valueFrom?.fieldRef ? podName : `the-${valueFrom!.secretKeyRef!.key}`);
  return Object.fromEntries(env.map((variable) => [variable.name, of(variable)]));
}

/** All that is not as the product and the objects among themselves have it, in words. */
export function disagreementsOf(objects: readonly KubernetesObject[]): string[] {
  return [
    ...wrongVariables(objects),
    ...wrongDiscovery(objects),
    ...wrongPorts(objects),
    ...wrongSelectors(objects),
    ...wrongMounts(objects),
    ...wrongSecurity(objects),
    ...wrongRights(objects),
    ...tooShortGrace(objects),
  ];
}

/** Of the command `dkv`, which runs in the same pod. */
const COMMAND_VARIABLES = ['DKV_URL', 'DKV_CA', 'DKV_CERT', 'DKV_CERT_KEY'];

/** The application takes every variable that the chart itself sets, and all of them together. */
function wrongVariables(objects: readonly KubernetesObject[]): string[] {
  const container = applicationOf(objects);
  const variables = variablesOf(container, `${ofKind(objects, 'StatefulSet')[0]!.metadata.name}-0`);
  const known = [...Object.keys(new Environment()), ...COMMAND_VARIABLES];
  const unknown = Object.keys(variables).filter((name) => name.startsWith('DKV_') && !known.includes(name));
  vi.stubEnv('KUBERNETES_SERVICE_HOST', '10.96.0.1');
  try {
    const { dataDir, tls } = readEnvironment(variables);
    const mounted = (path: string) =>
      container.volumeMounts?.some(({ mountPath }) => path.startsWith(`${mountPath}/`));
    const paths = [dataDir, ...Object.values((tls ?? {}) as Readonly<Record<string, string>>)];
    return [
      ...unknown.map((name) => `nothing reads ${name}`),
      ...paths.filter((path) => !mounted(path)).map((path) => `${path} is on no volume`),
    ];
  } finally {
    vi.unstubAllEnvs();
  }
}

/** Each pod is behind the Service that discovery asks for, under the port that it looks for, before it is ready. */
function wrongDiscovery(objects: readonly KubernetesObject[]): string[] {
  const [set] = ofKind(objects, 'StatefulSet') as [KubernetesObject];
  const container = applicationOf(objects);
  const variables = variablesOf(container, '');
  const service = ofKind(objects, 'Service').find(
    ({ metadata }) => `kubernetes:${metadata.name}` === variables.DKV_DISCOVERY,
  );
  if (!service) {
    return [`there is no Service for ${variables.DKV_DISCOVERY}`];
  }
  const { clusterIP, publishNotReadyAddresses, ports } = service.spec;
  // The demo asks for the port of this name.
  const demo = readFileSync(new URL('../../apps/demo/src/discovery.ts', import.meta.url), 'utf8');
  const [, portName] = /portName: '(\w+)'/.exec(demo)!;
  const port = ports.find(({ name }) => name === portName);
  return [
    ...(set.spec.serviceName === service.metadata.name ? [] : ['the StatefulSet has another Service']),
    ...(clusterIP === 'None' && publishNotReadyAddresses ? [] : ['the Service of the peers hides pods']),
    ...(set.spec.podManagementPolicy === 'Parallel' ? [] : ['the first pod waits for the second for ever']),
    ...(String(port?.port) === variables.DKV_PEER_PORT ? [] : ['the Service has another peer port']),
  ];
}

/** What is probed, scraped, served and let through is a port of the container, and the one that is meant. */
function wrongPorts(objects: readonly KubernetesObject[]): string[] {
  const container = applicationOf(objects);
  const variables = variablesOf(container, '');
  const ports = Object.fromEntries(container.ports!.map(({ name, containerPort }) => [name, containerPort]));
  const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
  const services = ofKind(objects, 'Service').flatMap(({ spec }) => spec.ports);
  const policies = ofKind(objects, 'NetworkPolicy').flatMap(({ spec }) => spec.ingress);
  const [monitored] = ofKind(objects, 'ServiceMonitor').flatMap(({ spec }) => spec.endpoints);
  const peers = policies.filter((rule) => rule.ports.some(({ port }) => port === 'peers'));
  return [
    ...(String(ports.http) === variables.PORT ? [] : ['the port http is not that of the application']),
    ...(String(ports.peers) === variables.DKV_PEER_PORT ? [] : ['the port peers is not that of the peers']),
    ...probes.filter((probe) => probe?.httpGet.port !== 'http').map(() => 'a probe asks another port'),
    ...services.filter(({ targetPort }) => !(targetPort in ports)).map(() => 'a Service leads nowhere'),
    ...policies
      .flatMap((rule) => rule.ports)
      .filter(({ port }) => !(port in ports))
      .map(({ port }) => `the NetworkPolicy lets in at ${port}, which nobody listens on`),
    ...peers
      .filter(({ from }) => !from?.length || from.some((each) => !each.podSelector))
      .map(() => 'strangers reach the peer port'),
    ...(monitored === undefined || monitored.port === 'http' ? [] : ['no metrics at what is scraped']),
  ];
}

const selects = (selector: Labels, { metadata }: Pod) =>
  Object.entries(selector).every(([name, value]) => metadata.labels[name] === value);

/** Selectors take all nodes and nothing else; peers are let in, whichever pod of the release they are. */
function wrongSelectors(objects: readonly KubernetesObject[]): string[] {
  const pods = podsOf(objects);
  const isNode = ({ of }: { of: string }) => of.startsWith('StatefulSet ');
  const [set] = ofKind(objects, 'StatefulSet') as [KubernetesObject];
  const { affinity, topologySpreadConstraints } = set.spec.template.spec;
  const told = JSON.stringify({ affinity, topologySpreadConstraints });
  const spread = [...told.matchAll(/"matchLabels":(\{[^}]*\})/g)].map(
    ([, labels]) => JSON.parse(labels!) as Labels,
  );
  const selectors = [
    ...ofKind(objects, 'Service').map(({ spec }) => spec.selector as Labels),
    ...ofKind(objects, 'PodDisruptionBudget').map(({ spec }) => spec.selector.matchLabels!),
    ...ofKind(objects, 'NetworkPolicy').map(({ spec }) => spec.podSelector.matchLabels),
    set.spec.selector.matchLabels!,
    ...spread,
  ];
  const monitors = ofKind(objects, 'ServiceMonitor').map(({ spec }) => spec.selector.matchLabels!);
  const monitored = (labels: Labels) =>
    ofKind(objects, 'Service').filter((service) => selects(labels, service as unknown as Pod)).length;
  const peers = ofKind(objects, 'NetworkPolicy')
    .flatMap(({ spec }) => spec.ingress)
    .filter(({ ports }) => ports.some(({ port }) => port === 'peers'))
    .flatMap(({ from }) => from ?? []);
  return [
    ...selectors.flatMap((selector) =>
      pods
        .filter((pod) => selects(selector, pod) !== isNode(pod))
        .map(({ of }) => `${JSON.stringify(selector)} is wrong about ${of}`),
    ),
    ...monitors.filter((labels) => monitored(labels) !== 1).map(() => 'nodes are scraped twice or never'),
    ...peers.flatMap(({ podSelector }) =>
      pods.filter((pod) => !selects(podSelector!.matchLabels, pod)).map(({ of }) => `${of} is kept out`),
    ),
  ];
}

/** Each mount has a volume, in pods of the StatefulSet a claimed one too. */
function wrongMounts(objects: readonly KubernetesObject[]): string[] {
  const claimed = ofKind(objects, 'StatefulSet')[0]!.spec.volumeClaimTemplates.map(
    ({ metadata }) => metadata.name,
  );
  return podsOf(objects).flatMap((pod) => {
    const own = (pod.spec.volumes ?? []).map(({ name }) => name);
    const volumes = pod.of.startsWith('StatefulSet ') ? [...own, ...claimed] : own;
    return containersOf(pod)
      .flatMap(({ volumeMounts = [] }) => volumeMounts)
      .filter(({ name }) => !volumes.includes(name))
      .map(({ name }) => `${pod.of} has no volume ${name}`);
  });
}

/** The profile `restricted` of the Pod Security Standards, and a root file system that nobody writes to. */
function wrongSecurity(objects: readonly KubernetesObject[]): string[] {
  const pod = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } };
  const container = {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  };
  const has = (context: object, wanted: object) =>
    JSON.stringify({ ...context, ...wanted }) === JSON.stringify(context);
  return podsOf(objects).flatMap((each) => [
    ...(has(each.spec.securityContext, pod) ? [] : [`${each.of} is not restricted`]),
    ...containersOf(each)
      .filter(({ securityContext }) => !has(securityContext, container))
      .map(({ name }) => `container ${name} of ${each.of} is not restricted`),
  ]);
}

/** As much as discovery and the scripts ask the API for, and no more. */
function wrongRights(objects: readonly KubernetesObject[]): string[] {
  const given = ofKind(objects, 'Role').flatMap(({ rules }) =>
    rules.map(({ resources, verbs, resourceNames }) => ({ resources, verbs, resourceNames })),
  );
  const [set] = ofKind(objects, 'StatefulSet') as [KubernetesObject];
  const needed = [
    { resources: ['endpointslices'], verbs: ['list', 'watch'] },
    { resources: ['statefulsets'], verbs: ['get'], resourceNames: [set.metadata.name] },
  ];
  return JSON.stringify(given) === JSON.stringify(needed) ? [] : [`the rights are ${JSON.stringify(given)}`];
}

/** What the product waits for at most while it stops, one after the other, in the order of its shutdown. */
const SHUTDOWN_STEPS = [
  ['apps/demo/src/http/http-drain.ts', 'DRAIN_MS'],
  ['libs/dkv/src/dkv.lifecycle.ts', 'RELEASE_MS'],
  ['libs/dkv/src/processor/processor.ts', 'DRAIN_MS'],
  ['libs/dkv/src/transport/stream/stream-connection.ts', 'CLOSE_MS'],
  ['libs/dkv/src/transport/stream/stream-session.ts', 'LEAVE_MS'],
] as const;
/** For the store to close: the last checkpoint is made. */
const CLOSING_MS = 5_000;

function tooShortGrace(objects: readonly KubernetesObject[]): string[] {
  const steps = SHUTDOWN_STEPS.map(([path, name]) => {
    const source = readFileSync(new URL(posix.join('../..', path), import.meta.url), 'utf8');
    return Number(new RegExp(`const ${name} = ([\\d_]+);`).exec(source)![1]!.replaceAll('_', ''));
  });
  const needed = steps.reduce((sum, ms) => sum + ms, CLOSING_MS) / 1_000;
  const { terminationGracePeriodSeconds: grace = 30 } = ofKind(objects, 'StatefulSet')[0]!.spec.template.spec;
  const delay = applicationOf(objects).lifecycle?.preStop.sleep.seconds ?? 0;
  return grace - delay >= needed ? [] : [`${grace - delay} s are left to stop in, and ${needed} are needed`];
}
