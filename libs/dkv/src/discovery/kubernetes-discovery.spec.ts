/** Nodes by Kubernetes: the suite of all adapters, and what is its own: slices, versions that are forgotten, tokens that are renewed. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CapturedLog } from '../../testing/captured-log.js';
import { caught } from '../../testing/caught.js';
import { KubernetesStandIn } from '../../testing/discovery/kubernetes-stand-in.js';
import { elapse, ObserverStage, STEADY } from '../../testing/discovery/stage.js';
import {
  SERVICE_FAILURES,
  type ServiceFailure,
  StandInNetwork,
  type StandInRequest,
} from '../../testing/discovery/stand-in.js';
import { testDiscovery } from '../../testing/discovery-conformance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { testNode } from '../../testing/test-nodes.js';
import { type HttpQuestion } from './discovery-http.js';
import { KubernetesDiscovery, type KubernetesDiscoveryOptions } from './kubernetes-discovery.js';

const OPTIONS = { service: 'app-peers', portName: 'peers', apiServer: 'https://10.96.0.1:443' };

describe('a discovery by Kubernetes', () => {
  testDiscovery(it, {
    kind: 'observer',
    failures: SERVICE_FAILURES,
    settleMs: 40_000,
    open: async () =>
      new ObserverStage((clock) => {
        const standIn = new KubernetesStandIn('shop', 'app-peers');
        const network = new StandInNetwork(standIn, clock);
        const readFile = async (path: string) =>
          path.endsWith('/namespace') ? 'shop' : path.endsWith('/token') ? standIn.token : 'ca';
        return {
          place: (nodes) => standIn.place(nodes),
          fail: (failure) => network.fail(failure as ServiceFailure | undefined),
          make: (world) => new KubernetesDiscovery(OPTIONS, { ...world, http: network.client(), readFile }),
          // What it knows is in etcd: all but the events of before.
          restart: () => {
            standIn.compact();
            network.disconnect();
          },
        };
      }),
  });
});

const NODES = ['app-0', 'app-1', 'app-2'].map((nodeId, at) =>
  testNode(nodeId, { host: `10.0.0.${at + 1}`, zone: `zone-${at}` }),
);

/** Pod `app-0`, and what the API was asked. */
async function registered() {
  const clock = new ManualClock();
  const standIn = new KubernetesStandIn('shop', 'app-peers');
  standIn.place(NODES);
  const asked: StandInRequest[] = [];
  const questions: HttpQuestion[] = [];
  const handle = (request: StandInRequest) => {
    asked.push(request);
    return standIn.handle(request);
  };
  const client = new StandInNetwork({ handle }, clock).client();
  const http = {
    ask: (question: HttpQuestion) => {
      questions.push(question);
      return client.ask(question);
    },
    lines: client.lines.bind(client),
  };
  const files: Record<string, string> = { token: 'first-token\n', 'ca.crt': 'the CA', namespace: 'shop' };
  const read: string[] = [];
  const readFile = async (path: string) => {
    read.push(path);
    return files[path.split('/').at(-1)!]!;
  };
  const world = { clock, random: STEADY, logger: new CapturedLog(), http, readFile };
  const discovery = new KubernetesDiscovery(OPTIONS, world);
  const told: string[] = [];
  await discovery.register(NODES[0]!, (nodes) => told.push(nodes.map(({ nodeId }) => nodeId).join()));
  await elapse(clock, 200);
  const lists = () => asked.filter(({ query }) => !query.has('watch')).length;
  const versions = () =>
    asked.filter(({ query }) => query.has('watch')).map(({ query }) => Number(query.get('resourceVersion')));
  return { clock, standIn, discovery, files, read, told, lists, versions, questions, log: world.logger };
}

describe('the nodes of Kubernetes', () => {
  it('are the pods of all slices, with the named port, and the zones of their machines', async () => {
    const { discovery, questions, read } = await registered();
    expect(await discovery.getNodes()).toEqual(NODES);
    expect(questions[0]).toMatchObject({ ca: 'the CA', headers: { authorization: 'Bearer first-token' } });
    expect(read).toContain('/var/run/secrets/kubernetes.io/serviceaccount/token');
    await discovery.deregister();
  });

  it('are each where the pod of now is, not the one that ends', async () => {
    const { discovery, standIn, clock } = await registered();
    standIn.place(NODES, [testNode('app-1', { host: '10.0.0.99' })]);
    await elapse(clock, 200);
    expect(await discovery.getNodes()).toEqual(NODES);
    await discovery.deregister();
  });
});

describe('a watch of Kubernetes', () => {
  it('goes on from the last event or bookmark, without listing again', async () => {
    const { clock, standIn, told, lists, versions, discovery } = await registered();
    standIn.place(NODES.slice(0, 2));
    await elapse(clock, 200);
    standIn.bookmark();
    await elapse(clock, 70_000);
    expect(told).toEqual(['app-0,app-1,app-2', 'app-0,app-1']);
    expect(lists()).toBe(1);
    // Two slices at 101 and 102, changed at 103 and 104, the bookmark at 105.
    expect(versions()).toEqual([102, 105]);
    await discovery.deregister();
  });

  it('lists again where its version is forgotten', async () => {
    const { clock, standIn, told, lists, log, discovery } = await registered();
    standIn.compact();
    standIn.place(NODES.slice(0, 1));
    await elapse(clock, 70_000);
    expect(told.at(-1)).toBe('app-0');
    expect(lists()).toBe(2);
    expect(log.warnings).toEqual([]);
    await discovery.deregister();
  });

  it('takes the token that there is by then', async () => {
    const { clock, standIn, files, told, log, discovery } = await registered();
    standIn.token = 'second-token';
    files.token = 'second-token';
    standIn.place(NODES.slice(0, 2));
    await elapse(clock, 70_000);
    expect(told.at(-1)).toBe('app-0,app-1');
    expect(log.warnings).toEqual([]);
    await discovery.deregister();
  });
});

describe('options of Kubernetes', () => {
  afterEach(() => void vi.unstubAllEnvs());

  it('need no API server in a pod', async () => {
    vi.stubEnv('KUBERNETES_SERVICE_HOST', 'fd00::1');
    vi.stubEnv('KUBERNETES_SERVICE_PORT', '6443');
    const asked: string[] = [];
    const http = {
      ask: async ({ url }: HttpQuestion) => {
        asked.push(url.href);
        return { status: 200, headers: {}, text: '{"metadata":{"resourceVersion":"1"},"items":null}' };
      },
      lines: async () => undefined,
    };
    const discovery = new KubernetesDiscovery(
      { service: 'app-peers', namespace: 'shop' },
      { http, clock: new ManualClock(), readFile: async () => '' },
    );
    expect(await discovery.getNodes()).toEqual([]);
    expect(asked[0]).toMatch(/^https:\/\/\[fd00::1\]:6443\/apis\/discovery\.k8s\.io\/v1\/namespaces\/shop\//);
  });

  it.each<[string, Partial<Record<keyof KubernetesDiscoveryOptions, unknown>>]>([
    ['service', { service: 'App' }],
    ['namespace', { namespace: '../kube-system' }],
    ['portName', { portName: '' }],
    ['apiServer', { apiServer: 'kubernetes.default' }],
    ['apiServer', { apiServer: undefined }],
    ['credentialsDir', { credentialsDir: '' }],
  ])('are refused where they are wrong: %s', (option, wrong) => {
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '');
    const options = { ...OPTIONS, ...wrong } as KubernetesDiscoveryOptions;
    const error = caught(() => new KubernetesDiscovery(options));
    expect(error.code).toBe('DKV_INVALID_OPTIONS');
    expect(error.message).toMatch(new RegExp(`^Options of KubernetesDiscovery:\\n- ${option}\\b`));
  });
});
