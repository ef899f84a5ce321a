/** What Helm makes of the chart: without a warning, of fields that Kubernetes has, as the product is; and what it refuses. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dump, load } from 'js-yaml';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { valuesOf } from '../../scripts/chart-readme.mjs';
import { CHART_TOOLS_FOLDER, HELM } from '../../scripts/chart-tools.mjs';
import { MANIFESTS, renderManifests } from '../../scripts/manifests.mjs';
import {
  applicationOf,
  type Container,
  disagreementsOf,
  type KubernetesObject,
  objectsIn,
  ofKind,
  podsOf,
} from '../deploy/rendered-objects.js';
import { shellBlocksOf } from '../readme/documented.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHART = join(ROOT, 'deploy/helm');
const VALUES = readdirSync(join(CHART, 'ci'));
const folder = mkdtempSync(join(tmpdir(), 'dkv-chart-'));

afterAll(() => rmSync(folder, { recursive: true }));

interface Told {
  readonly status: number | null;
  readonly out: string;
}

function helm(...args: readonly string[]): Told {
  // Nothing of the machine: no repositories, no plugins, no cluster.
  const env = { PATH: process.env.PATH, HOME: folder, KUBECONFIG: '/dev/null' };
  const { status, stdout, stderr } = spawnSync(HELM, args, { encoding: 'utf8', env });
  return { status, out: stdout + stderr };
}

const rendered = (values: string): string => {
  const { status, out } = helm(
    'template',
    'app',
    CHART,
    '--namespace',
    'shop',
    '-f',
    join(CHART, 'ci', values),
  );
  expect([status, out]).toEqual([0, out]);
  return out;
};
const objectsOf = (values: string): KubernetesObject[] => objectsIn(rendered(values));

describe.each(VALUES)('the chart with %s', (values) => {
  it('has nothing that helm lint --strict objects to', () => {
    const { status, out } = helm('lint', '--strict', CHART, '-f', join(CHART, 'ci', values));
    expect([status, out]).toEqual([0, out]);
    expect(out).not.toMatch(/\[(WARNING|ERROR)\]/);
  });

  it('makes objects that are valid', async () => {
    for (const object of objectsOf(values)) {
      const validate = await validatorOf(object);
      expect(() => validate(object)).not.toThrow();
    }
  });

  it('makes objects that agree with the product and among themselves', () => {
    expect(disagreementsOf(objectsOf(values))).toEqual([]);
  });

  it('makes each object once', () => {
    const names = objectsOf(values).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(names).toEqual([...new Set(names)]);
  });

  it('runs the scripts as they are tested, with all that they read', () => {
    const containers = podsOf(objectsOf(values)).flatMap(({ spec }) => [
      ...(spec.initContainers ?? []),
      ...spec.containers,
    ]);
    for (const name of ['wait-for-address', 'scale-down']) {
      const script = readFileSync(join(CHART, `files/${name}.mjs`), 'utf8').trim();
      const container = containers.find((each) => each.name === name);
      if (name === 'scale-down' && values === 'issuer-values.yaml') {
        expect(container).toBeUndefined();
        continue;
      }
      const { command, args, env } = container as Container;
      expect(command).toEqual(['node', '--input-type=module', '--eval']);
      expect(args!.map((text) => text.trim())).toEqual([script]);
      const read = [...script.matchAll(/process\.env\.(\w+)/g)].map(([, variable]) => variable!);
      const [, taken] = /const \{ ([^}]+) \} = process\.env;/.exec(script)!;
      const given = env.map((variable) => variable.name);
      expect([...read, ...taken!.split(', ')].filter((variable) => !given.includes(variable))).toEqual([]);
    }
  });
});

/** Of kubernetes-models: made from the OpenAPI of Kubernetes, and from the CRDs of cert-manager and the Prometheus operator. */
async function validatorOf({ apiVersion, kind }: KubernetesObject): Promise<(object: object) => void> {
  const path = join(CHART_TOOLS_FOLDER, 'node_modules', ...packageOf(apiVersion), `${apiVersion}/${kind}.js`);
  const models = (await import(pathToFileURL(path).href)) as Record<
    string,
    new (object: object) => { validate(): void }
  >;
  return (object) => new models[kind]!(object).validate();
}

function packageOf(apiVersion: string): string[] {
  if (apiVersion.startsWith('cert-manager.io/')) {
    return ['@kubernetes-models/cert-manager'];
  }
  return [
    apiVersion.startsWith('monitoring.coreos.com/')
      ? '@kubernetes-models/prometheus-operator'
      : 'kubernetes-models',
  ];
}

describe('the fields of the objects', () => {
  /** What the compiler says of them as literals: it objects to properties that a type has not, which the validators let pass. */
  function mistyped(objects: readonly KubernetesObject[]): string {
    const lines = objects.map((object, at) => {
      const [name] = packageOf(object.apiVersion);
      const type = `import('${name}/${object.apiVersion}/${object.kind}').I${object.kind}`;
      return `export const object${at}: ${type} = ${JSON.stringify(object)};`;
    });
    const file = join(CHART_TOOLS_FOLDER, 'objects.mts');
    writeFileSync(file, lines.join('\n'));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const options = ['--noEmit', '--ignoreConfig', '--module', 'nodenext', '--skipLibCheck', '--strict'];
    return spawnSync(process.execPath, [tsc, ...options, file], { encoding: 'utf8', cwd: CHART_TOOLS_FOLDER })
      .stdout;
  }

  it('are those that there are', () => {
    expect(mistyped(VALUES.flatMap(objectsOf))).toBe('');
  });

  it.each([
    ['publishNotReadyAddresses', 'publishNotReadyAdresses', '\'"publishNotReadyAdresses"\' does not exist'],
    ['podManagementPolicy: Parallel', 'podManagementPolicy: AtOnce', '"AtOnce"'],
  ])('are seen to be wrong: %s', (right, wrong, said) => {
    const text = rendered('least-values.yaml');
    expect(text).toContain(right);
    expect(mistyped(objectsIn(text.replaceAll(right, wrong)))).toContain(said);
  });
});

describe('the manifests without Helm', () => {
  it('are what the chart makes: npm run manifests', () => {
    expect(readFileSync(MANIFESTS, 'utf8')).toBe(renderManifests(HELM));
  });
});

function expectRefused({ status, out }: Told, said: string): void {
  expect([status, out]).toEqual([1, expect.stringContaining(said)]);
}

describe('values', () => {
  const with_ = (text: string): Told => {
    const file = join(folder, 'values.yaml');
    writeFileSync(file, text);
    return helm('template', 'app', CHART, '-f', join(CHART, 'ci/least-values.yaml'), '-f', file);
  };

  it.each([
    ['an unknown one', 'replica: 3', "additional properties 'replica' not allowed"],
    ['an unknown one within', 'tls: { enable: true }', "additional properties 'enable' not allowed"],
    ['no pods', 'replicas: 0', "at '/replicas': minimum"],
    ['text for a number', "replicas: '3'", "at '/replicas': got string, want integer"],
    ['half a pod', 'replicas: 2.5', "at '/replicas': got number, want integer"],
    ['a tag with an object in it', 'image: { tag: "x\\n  hostNetwork: true" }', "at '/image/tag'"],
    ['a repository with a comment', "image: { repository: 'app # x' }", "at '/image/repository'"],
    ['a digest that is none', "image: { digest: 'sha256:abc' }", "at '/image/digest'"],
    ['a port that is none', 'ports: { peers: 70000 }', "at '/ports/peers': maximum"],
    ['a path with a query', "health: { live: '/health?x=1' }", "at '/health/live'"],
    ['a path that breaks out', "metrics: { path: '/m }, hostNetwork: true, x: {' }", "at '/metrics/path'"],
    ['a volume in the root', "persistence: { mountPath: '/' }", "at '/persistence/mountPath'"],
    ['a size of no unit', "persistence: { size: '10' }", "at '/persistence/size'"],
    ['a retention of its own', 'persistence: { whenScaled: Recycle }', "at '/persistence/whenScaled'"],
    [
      'a short key',
      "keys: { existingSecret: '', apiKey: short, adminKey: another-secret }",
      "at '/keys/apiKey'",
    ],
    ['a key with a space', "keys: { apiKey: 'two words here' }", "at '/keys/apiKey'"],
    ['a variable of the chart', "env: { DKV_API_KEY: 'x' }", "invalid propertyName 'DKV_API_KEY'"],
    ['a variable that is no name', "env: { 'A B': 'x' }", "invalid propertyName 'A B'"],
    [
      'a variable that is no text',
      'env: { DKV_REPLICAS: 2 }',
      "at '/env/DKV_REPLICAS': got number, want string",
    ],
    [
      'labels of the chart',
      'podLabels: { app.kubernetes.io/component: x }',
      "propertyName 'app.kubernetes.io/component'",
    ],
    ['an issuer without a name', 'tls: { enabled: true, issuer: { kind: Issuer } }', "at '/tls/issuer'"],
    ['root', 'userId: 0', "at '/userId': minimum"],
    ['another security context', 'podSecurityContext: { runAsUser: 0 }', "'podSecurityContext' not allowed"],
  ])('that are wrong are refused: %s', (_, text, said) => expectRefused(with_(text), said));

  it.each([
    ['no image', "image: { repository: '' }", 'image.repository is not set: give the image'],
    ['no version of it', "image: { tag: '' }", 'Neither image.tag nor image.digest is set'],
    [
      'no keys',
      "keys: { existingSecret: '' }",
      'kubectl create secret generic app-keys --from-literal=api-key=',
    ],
    [
      'one key for both',
      "keys: { existingSecret: '', apiKey: the-same-secret, adminKey: the-same-secret }",
      'keys.apiKey and keys.adminKey are the same',
    ],
    ['one port for both', 'ports: { http: 7000 }', 'ports.http and ports.peers are both 7000'],
    [
      'data that goes with its pod',
      'persistence: { whenScaled: Delete }\nscaleDown: { decommission: false }',
      'pods that go would take their data with them',
    ],
    [
      'a cluster of more pods than there are',
      'replicas: 2',
      'clusterSize is 3 and replicas is 2: the pods would wait for others for ever',
    ],
    [
      'pods enough for two clusters',
      'replicas: 6',
      'clusterSize is 3 and replicas is 6: the pods could make two clusters',
    ],
    ['no time to stop', 'shutdown: { delaySeconds: 31 }', '29 are left after shutdown.delaySeconds'],
  ])('that are missing or wrong together are refused with what to do: %s', (_, text, said) =>
    expectRefused(with_(text), said),
  );

  it('are texts as they are, whatever is in them', () => {
    const value = '"}, { name: HOST, value: 0.0.0.0 }\n{{ .Release.Name }} # \' \\';
    const { status, out } = with_(
      dump({ env: { GREETING: value }, podAnnotations: { 'example.org/note': value } }),
    );
    expect(status).toBe(0);
    const objects = objectsIn(out);
    expect(applicationOf(objects).env.find(({ name }) => name === 'GREETING')).toEqual({
      name: 'GREETING',
      value,
    });
    expect(ofKind(objects, 'StatefulSet')[0]!.spec.template.metadata).toMatchObject({
      annotations: { 'example.org/note': value },
    });
  });

  it('of a release whose name no Service may have are refused', () => {
    const told = helm('template', '1app', CHART, '-f', join(CHART, 'ci/least-values.yaml'));
    expectRefused(told, 'The release is named "1app"');
  });
});

it('pods leave before an upgrade and before a rollback, and the test runs when it is asked for', () => {
  const hooks = objectsOf('least-values.yaml').flatMap(({ kind, metadata }) => {
    const { annotations = {} } = metadata;
    return 'helm.sh/hook' in annotations ? [[kind, annotations['helm.sh/hook']]] : [];
  });
  expect(hooks).toEqual([
    ['Pod', 'test'],
    ['Job', 'pre-upgrade,pre-rollback'],
  ]);
});

it('is refused by a Kubernetes that is too old for it', () => {
  const values = join(CHART, 'ci/least-values.yaml');
  const told = helm('template', 'app', CHART, '-f', values, '--kube-version', '1.29.9');
  expectRefused(told, 'requires kubeVersion: >=1.30.0-0');
});

it('the certificate is one that nodes take, of a CA for this release alone', () => {
  const objects = objectsOf('all-values.yaml');
  const certificates = ofKind(objects, 'Certificate').map(({ metadata, spec }) => ({
    name: metadata.name,
    ...spec,
  }));
  expect(certificates).toMatchObject([
    {
      name: 'carts-peer-ca',
      isCA: true,
      secretName: 'carts-peer-ca',
      privateKey: { rotationPolicy: 'Never' },
    },
    {
      name: 'carts-peer-tls',
      usages: ['digital signature', 'server auth', 'client auth'],
      issuerRef: { kind: 'Issuer', name: 'carts-peer-ca' },
    },
  ]);
  const [mounted] = podsOf(objects)[0]!.spec.volumes!.filter(({ name }) => name === 'tls');
  expect(mounted!.secret!.secretName).toBe(certificates[1]!.name);
  const [own] = ofKind(objectsOf('issuer-values.yaml'), 'Certificate');
  expect(own!.spec).toMatchObject({ issuerRef: { kind: 'ClusterIssuer', name: 'company-ca' } });
});

it('the notes say how to look at it, and what is not safe', () => {
  const notes = (values: string) =>
    helm(
      'install',
      'app',
      CHART,
      '--dry-run=client',
      '--namespace',
      'shop',
      '-f',
      join(CHART, 'ci', values),
    ).out.split('NOTES:')[1]!;
  expect(notes('least-values.yaml')).toContain('kubectl -n shop exec app-0 -- dkv status');
  expect(notes('least-values.yaml')).toContain('unencrypted (tls.enabled)');
  expect(notes('all-values.yaml')).not.toContain('unencrypted');
  expect(notes('issuer-values.yaml')).toMatch(/reaches the peer port[^]*With fewer than three nodes/);
});

describe('the alerts, as promtool reads them', () => {
  const [rule] = ofKind(objectsOf('all-values.yaml'), 'PrometheusRule');
  const { groups } = rule!.spec;
  writeFileSync(join(folder, 'rules.yaml'), dump({ groups }));
  const promtool = (...args: readonly string[]) =>
    execFileSync('promtool', args, { encoding: 'utf8', cwd: folder });

  it('are rules that Prometheus takes', () => {
    expect(promtool('check', 'rules', 'rules.yaml')).toMatch(/SUCCESS: \d+ rules found/);
  });

  /** Of each alert: what raises it, a sample a minute, and by which labels it tells of whom. */
  const RAISED: Readonly<
    Record<string, readonly [labels: string, series: Readonly<Record<string, string>>]>
  > = {
    DkvNodeMissing: ['', { 'dkv_up{pod="carts-0"}': '1x90', 'dkv_up{pod="carts-1"}': '0x90' }],
    DkvNodeNotReady: [
      'pod="carts-0"',
      { 'dkv_ready{pod="carts-0"}': '0x90', 'dkv_ready{pod="carts-1"}': '1x90' },
    ],
    DkvWritesRefused: ['', { 'dkv_groups_without_quorum{pod="carts-0"}': '0x5 3x85' }],
    DkvVotesMissing: ['peer="carts-2"', { 'dkv_voters_missing{pod="carts-0",peer="carts-2"}': '7x90' }],
    DkvPeerDown: ['pod="carts-0",peer="carts-2"', { 'dkv_peer_up{pod="carts-0",peer="carts-2"}': '0x90' }],
    DkvPeerRefused: [
      'pod="carts-0",peer="unknown",reason="key"',
      { 'dkv_peer_refusals_total{pod="carts-0",peer="unknown",reason="key"}': '0x80 2x10' },
    ],
    DkvUnderReplicated: ['', { 'dkv_partitions_under_replicated{pod="carts-0"}': '1x90' }],
    DkvMovesStuck: [
      '',
      { 'dkv_partitions_to_move{pod="carts-0"}': '4x90', 'dkv_cluster_epoch{pod="carts-0"}': '9x90' },
    ],
    DkvCheckpointsFail: ['pod="carts-0"', { 'dkv_checkpoint_age_seconds{pod="carts-0"}': '0+60x90' }],
    DkvDataDamaged: ['pod="carts-0"', { 'dkv_corrupt_records_total{pod="carts-0"}': '0x60 1x30' }],
    DkvCallsFail: [
      'result="DKV_OVERLOADED"',
      {
        'dkv_operations_total{pod="carts-0",op="get",result="ok"}': '0+95x90',
        'dkv_operations_total{pod="carts-0",op="get",result="DKV_OVERLOADED"}': '0+5x90',
      },
    ],
    DkvVersionsDiffer: [
      '',
      {
        'dkv_build_info{pod="carts-0",version="1.0.0"}': '1x90',
        'dkv_build_info{pod="carts-1",version="1.1.0"}': '1x90',
      },
    ],
  };
  /** What promtool tries: of these series, in a Service of this name, the alert is raised for these labels, or not at all. */
  const trial = (
    alert: string,
    service: string,
    raised: readonly string[],
    series: Readonly<Record<string, string>>,
  ) => ({
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({
      series: name.replace('{', `{namespace="shop",service="${service}",`),
      values,
    })),
    promql_expr_test: [
      {
        expr: `max by (pod, peer, reason, result) (ALERTS{alertname="${alert}",alertstate="firing"})`,
        eval_time: '85m',
        exp_samples: raised.map((labels) => ({ labels: `{${labels}}`, value: 1 })),
      },
    ],
  });

  it('are raised by what they are about, for whom it concerns, and by no other release', () => {
    expect(Object.keys(RAISED)).toEqual(groups.flatMap(({ rules }) => rules.map(({ alert }) => alert)));
    const tests = Object.entries(RAISED).flatMap(([alert, [labels, series]]) => [
      trial(alert, 'carts', [labels], series),
      // A node that is missing is missed where nothing is to be seen at all.
      trial(alert, 'others', alert === 'DkvNodeMissing' ? [''] : [], series),
    ]);
    writeFileSync(
      join(folder, 'tests.yaml'),
      dump({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests }),
    );
    expect(promtool('test', 'rules', 'tests.yaml')).toContain('SUCCESS');
  });
});

describe('the commands of docs/kubernetes.md', () => {
  const lines = shellBlocksOf('docs/kubernetes.md').flatMap((block) => block.split('\n'));
  /** Without a cluster: what is installed and upgraded there is rendered here. */
  const typed = (line: string, ...more: readonly string[]): Told => {
    const [, release, chart, options] = /^helm (?:install|upgrade) (\S+) (\S+) (.*)$/.exec(line)!;
    const args = options!.replace('--reuse-values ', '').split(' ');
    return helm('template', release!, join(ROOT, chart!), ...more, ...args);
  };

  it('install the chart with what must be given, as the manifests have it', () => {
    const { status, out } = typed(lines.find((line) => line.startsWith('helm install'))!);
    expect([status, out]).toEqual([0, out]);
    const manifests = objectsIn(readFileSync(MANIFESTS, 'utf8'));
    expect(applicationOf(objectsIn(out))).toEqual(applicationOf(manifests));
  });

  it('upgrade it to more and to fewer pods, with time for those that go', () => {
    const upgrades = lines.filter((line) => line.startsWith('helm upgrade'));
    const replicas = upgrades.map((line) => {
      const objects = objectsIn(typed(line, '-f', join(CHART, 'ci/least-values.yaml')).out);
      const [job] = ofKind(objects, 'Job');
      const [, minutes = '0'] = /--timeout (\d+)m/.exec(line) ?? [];
      // Pods that stay are not restarted for it.
      expect(podsOf(objects)[0]).toEqual(podsOf(objectsOf('least-values.yaml'))[0]);
      const { activeDeadlineSeconds } = job!.spec as unknown as { activeDeadlineSeconds: number };
      return [ofKind(objects, 'StatefulSet')[0]!.spec.replicas, Number(minutes) * 60 > activeDeadlineSeconds];
    });
    expect(replicas).toEqual([
      [4, false],
      [3, true],
    ]);
  });
});

it('the dashboard is JSON of the release', () => {
  const [config] = ofKind(objectsOf('all-values.yaml'), 'ConfigMap');
  const dashboard = JSON.parse(config!.data['carts.json']!) as {
    title: string;
    panels: { targets: { expr: string }[] }[];
  };
  expect(dashboard.title).toBe('nestjs-dkv: carts');
  const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect(expressions.filter((expr) => !expr.includes('{namespace="shop",service="carts"'))).toEqual([]);
});

it('the values of the tests give each value another than its default', () => {
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as object;
  const files = VALUES.map((name) => load(readFileSync(join(CHART, 'ci', name), 'utf8')));
  const at = (values: unknown, name: string) =>
    name.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], values);
  const untried = valuesOf(schema).filter(({ name, given }) =>
    files.every((values) => [undefined, JSON.stringify(given)].includes(JSON.stringify(at(values, name)))),
  );
  expect(untried.map(({ name }) => name)).toEqual([]);
});
