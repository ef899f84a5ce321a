/** The manifests without Helm are as the product is. That they are what the chart makes is seen where Helm is: `test/integrations`. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HealthController } from '../../apps/demo/src/health/health.controller.js';
import { resolveOptions } from '../../libs/dkv/src/dkv.options.js';
import {
  type KubernetesObject,
  applicationOf,
  disagreementsOf,
  objectsIn,
  ofKind,
} from './rendered-objects.js';

const text = readFileSync(new URL('../../deploy/kubernetes/app.yaml', import.meta.url), 'utf8');
const objects = objectsIn(text);

it('agree with the product and among themselves', () => {
  expect(disagreementsOf(objects)).toEqual([]);
});

it('are all that a cluster needs, of the versions that Kubernetes has them in', () => {
  expect(
    objects.map(({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.name}`).sort(),
  ).toEqual([
    'apps/v1 StatefulSet app',
    'networking.k8s.io/v1 NetworkPolicy app',
    'policy/v1 PodDisruptionBudget app',
    'rbac.authorization.k8s.io/v1 Role app',
    'rbac.authorization.k8s.io/v1 RoleBinding app',
    'v1 Service app',
    'v1 Service app-peers',
    'v1 ServiceAccount app',
  ]);
});

it('ask for health where the application tells of it, at the ports that the product has', () => {
  const pathOf = (target: object) => Reflect.getMetadata('path', target) as string;
  const methods: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(HealthController.prototype);
  const path = (method: 'live' | 'ready') =>
    `/${pathOf(HealthController)}/${pathOf(methods[method]!.value as object)}`;
  const { startupProbe, livenessProbe, readinessProbe, ports } = applicationOf(objects);
  expect([startupProbe, livenessProbe, readinessProbe].map((probe) => probe!.httpGet.path)).toEqual([
    path('live'),
    path('live'),
    path('ready'),
  ]);
  expect(ports!.find(({ name }) => name === 'peers')!.containerPort).toBe(resolveOptions().peerPort);
});

describe('a disagreement', () => {
  /** The manifests with the first of these changed, wherever it stands. */
  const changed = (from: string | RegExp, to: string): KubernetesObject[] => {
    const others = text.replace(from, to);
    expect(others).not.toBe(text);
    return objectsIn(others);
  };

  it.each<[string, string | RegExp, string, RegExp]>([
    [
      'a variable that nobody reads',
      'name: DKV_PEER_PORT',
      'name: DKV_PEERPORT',
      /nothing reads DKV_PEERPORT/,
    ],
    [
      'data on no volume',
      'value: /data/dkv }\n            # Also',
      'value: /dkv }\n            # Also',
      /\/dkv is on no volume/,
    ],
    ['another Service', 'kubernetes:app-peers', 'kubernetes:app', /the StatefulSet has another Service/],
    ['no Service', 'kubernetes:app-peers', 'kubernetes:none', /no Service for kubernetes:none/],
    ['hidden pods', 'publishNotReadyAddresses: true', 'publishNotReadyAddresses: false', /hides pods/],
    ['pods one by one', 'podManagementPolicy: Parallel', 'podManagementPolicy: OrderedReady', /for ever/],
    ['another peer port', 'containerPort: 7000', 'containerPort: 7001', /the port peers is not that/],
    ['another port', 'name: PORT, value: "3000"', 'name: PORT, value: "3001"', /the port http is not that/],
    [
      'a probe of peers',
      'path: /health/ready, port: http',
      'path: /health/ready, port: peers',
      /a probe asks/,
    ],
    ['an open peer port', /\n {6}from:[^]*?instance: app\n/, '\n', /strangers reach the peer port/],
    ['a Service to nowhere', 'targetPort: peers', 'targetPort: peer', /a Service leads nowhere/],
    ['a selector of other pods', /component: node/, 'component: pod', /is wrong about StatefulSet app/],
    ['a mount without a volume', 'name: tmp, mountPath', 'name: temp, mountPath', /no volume temp/],
    ['root', 'runAsNonRoot: true', 'runAsNonRoot: false', /StatefulSet app is not restricted/],
    [
      'a file system to write to',
      'readOnlyRootFilesystem: true',
      'readOnlyRootFilesystem: false',
      /container wait/,
    ],
    ['more rights', 'verbs: [list, watch]', 'verbs: [list, watch, delete]', /the rights are/],
    ['no time to stop', 'GracePeriodSeconds: 60', 'GracePeriodSeconds: 25', /20 s are left to stop in/],
  ])('is seen: %s', (_, from, to, said) => {
    expect(disagreementsOf(changed(from, to)).join('\n')).toMatch(said);
  });
});

it('keep the volumes of pods that are gone', () => {
  const [set] = ofKind(objects, 'StatefulSet');
  expect(set!.spec).toMatchObject({
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
  });
});
