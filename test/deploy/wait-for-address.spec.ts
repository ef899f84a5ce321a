/** The init container: when a pod may start, and what it says until then. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KubernetesApi, type ShownPod } from './kubernetes-api.js';
import { WaitingPod } from './waiting-pod.js';

const OWN: ShownPod = { name: 'app-1', address: '10.0.0.1' };
const OTHER: ShownPod = { name: 'app-0', address: '10.0.0.10' };
const WAITING = 'Waiting: the Service app-peers does not show this pod at 10.0.0.1 yet.\n';

let api: KubernetesApi;
const pods: WaitingPod[] = [];

beforeEach(async () => {
  api = await new KubernetesApi('app', 'app-peers').start();
});
afterEach(async () => {
  pods.splice(0).forEach((pod) => pod.kill());
  await api.stop();
});

function run(): WaitingPod {
  const pod = new WaitingPod(OWN.name, OWN.address, api.env);
  pods.push(pod);
  return pod;
}

it('a pod may start where discovery shows it, whoever else is there', async () => {
  api.pods = [OWN];
  const pod = run();
  expect(await pod.ended).toBe(0);
  expect(pod.log).toBe('app-1 may start.\n');
});

it.each<[string, readonly ShownPod[]]>([
  ['is shown', [OTHER]],
  ['is shown where it is now', [{ ...OWN, address: '10.0.0.9' }, OTHER]],
  ['is shown as one that does not end', [{ ...OWN, isEnding: true }]],
  ['is there at all', []],
])('a pod waits until it %s', async (_, shown) => {
  api.pods = shown;
  const pod = run();
  // So that it has looked more than once, and said it once.
  await api.wasAsked(3);
  await expect.poll(() => pod.log).toBe(WAITING);
  api.pods = [OWN, OTHER];
  expect(await pod.ended).toBe(0);
  expect(pod.log).toBe(`${WAITING}app-1 may start.\n`);
});

it('a pod waits while the API refuses or is away, and says so', async () => {
  api.pods = [OWN];
  api.failure = 403;
  const pod = run();
  await api.wasAsked(3);
  await expect.poll(() => pod.log).toBe('Waiting: the API answers 403 for endpointslices.\n');
  api.failure = undefined;
  expect(await pod.ended).toBe(0);
});
