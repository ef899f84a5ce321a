/** The init container: when a pod may start, and what it says until then. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubernetesApi, type ShownPod } from './kubernetes-api.js';
import { WaitingPod } from './waiting-pod.js';

const OWN: ShownPod = { name: 'app-1', address: '10.0.0.1' };
const OTHERS: readonly ShownPod[] = [
  { name: 'app-0', address: '10.0.0.10' },
  { name: 'app-2', address: '10.0.0.12' },
];

let api: KubernetesApi;
let volume: string;
const pods: WaitingPod[] = [];

beforeEach(async () => {
  api = await new KubernetesApi('app', 'app-peers').start();
  volume = mkdtempSync(join(tmpdir(), 'dkv-volume-'));
});
afterEach(async () => {
  pods.splice(0).forEach((pod) => pod.kill());
  await api.stop();
  rmSync(volume, { recursive: true });
});

function run(): WaitingPod {
  const pod = new WaitingPod(OWN.name, OWN.address, join(volume, 'dkv'), api.env);
  pods.push(pod);
  return pod;
}

describe('a pod may start', () => {
  it.each<[string, readonly ShownPod[], boolean]>([
    ['where all pods are there and none is ready', [OWN, ...OTHERS], false],
    ['with an empty volume where another is ready', [OWN, { ...OTHERS[0]!, isReady: true }], false],
    ['with its volume, whoever is there', [OWN], true],
  ])('%s', async (_, shown, hasFolder) => {
    api.pods = shown;
    if (hasFolder) {
      mkdirSync(join(volume, 'dkv'));
    }
    const pod = run();
    expect(await pod.ended).toBe(0);
    expect(pod.log).toBe('app-1 may start.\n');
  });
});

describe('a pod waits', () => {
  it.each<[string, readonly ShownPod[], boolean, string]>([
    [
      'with an empty volume until all are there',
      [OWN, OTHERS[1]!],
      false,
      'Waiting: the volume is empty, no other pod is ready, and the Service app-peers does not show app-0 yet.\n',
    ],
    [
      'where one that is there ends',
      [OWN, OTHERS[0]!, { ...OTHERS[1]!, isReady: true, isEnding: true }],
      false,
      'Waiting: the volume is empty, no other pod is ready, and the Service app-peers does not show app-2 yet.\n',
    ],
    [
      'until discovery would find it',
      OTHERS,
      true,
      'Waiting: the Service app-peers does not show this pod at 10.0.0.1 yet.\n',
    ],
    [
      'until discovery would find it where it is now',
      [{ ...OWN, address: '10.0.0.9' }, ...OTHERS],
      true,
      'Waiting: the Service app-peers does not show this pod at 10.0.0.1 yet.\n',
    ],
    [
      'where the Service has no pods',
      [],
      false,
      'Waiting: the Service app-peers does not show this pod at 10.0.0.1 yet.\n',
    ],
  ])('%s', async (_, shown, hasFolder, said) => {
    api.pods = shown;
    if (hasFolder) {
      mkdirSync(join(volume, 'dkv'));
    }
    const pod = run();
    // Two answers a look at most, so that it has looked more than once, and said it once.
    await api.wasAsked(6);
    await expect.poll(() => pod.log).toBe(said);
    api.pods = [OWN, ...OTHERS];
    expect(await pod.ended).toBe(0);
    expect(pod.log).toBe(`${said}app-1 may start.\n`);
  });

  it('while the API refuses or is away, and says so', async () => {
    api.pods = [OWN, ...OTHERS];
    api.failure = 403;
    const pod = run();
    await api.wasAsked(3);
    await expect.poll(() => pod.log).toMatch(/^Waiting: the API answers 403 for endpointslices\S+\.\n$/);
    api.failure = undefined;
    expect(await pod.ended).toBe(0);
  });
});
