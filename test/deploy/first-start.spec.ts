/** Pods with empty volumes that see nobody else found no clusters of their own, but one together: real nodes, as the chart starts them. */
import { Test, type TestingModule } from '@nestjs/testing';
import { Dkv, DkvModule, KubernetesDiscovery } from 'nestjs-dkv';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CapturedLog } from '../../libs/dkv/testing/captured-log.js';
import { freePort } from '../../libs/dkv/testing/free-port.js';
import { KubernetesApi, type ShownPod } from './kubernetes-api.js';
import { WaitingPod } from './waiting-pod.js';

const POLL = { timeout: 60_000, interval: 20 };

let api: KubernetesApi;
const waiting: WaitingPod[] = [];
const modules: TestingModule[] = [];

beforeEach(async () => {
  api = await new KubernetesApi('app', 'app-peers').start();
});
afterEach(async () => {
  waiting.splice(0).forEach((pod) => pod.kill());
  await Promise.all(modules.splice(0).map((module) => module.close()));
  await api.stop();
});

/** A node as docs/kubernetes.md makes it, once its init container has ended. */
async function node({ name, port }: ShownPod): Promise<Dkv> {
  const { API_SERVER: apiServer, CREDENTIALS_DIR: credentialsDir } = api.env;
  const store = DkvModule.forRoot({
    nodeId: name,
    clusterSize: 3,
    peerPort: port,
    peerBind: '127.0.0.1',
    apiKey: 'secret-of-the-tests',
    storage: 'memory',
    partitions: 4,
    heartbeatIntervalMs: 20,
    logger: new CapturedLog(),
    discovery: new KubernetesDiscovery({
      service: 'app-peers',
      portName: 'peers',
      apiServer,
      credentialsDir,
    }),
  });
  const module = await Test.createTestingModule({ imports: [store] }).compile();
  modules.push(module);
  await module.init();
  return module.get(Dkv);
}

it('pods that were alone found one cluster, in the zones of their machines', async () => {
  const pods = await Promise.all(
    ['app-2', 'app-0', 'app-1'].map(async (name, at) => ({
      name,
      address: '127.0.0.1',
      port: await freePort(),
      zone: `zone-${at}`,
    })),
  );
  const started: Promise<Dkv>[] = [];
  for (const pod of pods) {
    // Those before are not to be seen: not scheduled yet, or on their way to another machine.
    api.pods = [pod];
    const init = new WaitingPod(pod.name, pod.address, api.env);
    waiting.push(init);
    await init.ended;
    started.push(node(pod));
    // What it is shown before it opens its folder.
    await api.wasAsked(1);
  }
  api.pods = pods;
  const nodes = await Promise.all(started);
  const seen = () =>
    nodes.map((dkv) => dkv.cluster().map(({ nodeId, state, zone }) => `${nodeId} ${state} ${zone}`));
  const all = ['app-0 up zone-1', 'app-1 up zone-2', 'app-2 up zone-0'];
  await expect.poll(seen, POLL).toEqual([all, all, all]);
  await expect
    .poll(
      () =>
        nodes[0]!.addOrUpdate('key', 1).then(
          () => true,
          () => false,
        ),
      POLL,
    )
    .toBe(true);
  expect((await nodes[2]!.get('key', { consistency: 'linearizable' }))?.value).toBe(1);
});
