/** Certificates that are bound to node ids: who says that it is a node must show one with that name, both ways, over either transport. */
import 'reflect-metadata';
import { HttpService } from '@nestjs/axios';
import axios from 'axios';
import { type X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { certificatesOf, issue, type Issued } from '../../../testing/certificates.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { answer, ANSWERING, ASKING, question } from '../../../testing/transport/samples.js';
import { ScriptedPeer } from '../../../testing/transport/scripted-peer.js';
import { failureOf } from '../../../testing/transport/transport-pair.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { PeerTransitions } from '../../cluster/peer-transitions.js';
import { type RemoteKvRepo } from '../../ports/remote-kv-repo.js';
import { HttpController } from '../http/http-controller.js';
import { HttpRemoteKvRepo } from '../http/http-remote-kv-repo.js';
import { type KvService } from '../rest/kv-service.js';
import { StreamRemoteKvRepo } from '../stream/stream-remote-kv-repo.js';
import { isOfNode } from './bound-names.js';

const NO_VALUES: KvService = {
  get: () => Promise.resolve(undefined),
  addOrUpdate: () => Promise.reject(new Error('not asked here')),
  remove: () => Promise.resolve({ existed: false }),
};

const clock = new ManualClock();
const cleanUps: (() => Promise<unknown>)[] = [];
let authority: Issued;

beforeAll(() => {
  authority = issue('the CA');
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) {
    await cleanUp();
  }
});

function observing(log: CapturedLog): PeerTransitions {
  const nodes = testNodes(ASKING.from, ANSWERING.from);
  return new PeerTransitions(ClusterView.of(ASKING.from, testRing(nodes), nodes), clock, log);
}

/** A node whose certificate is of `name`. */
async function listen(name = ANSWERING.from) {
  const log = new CapturedLog();
  const peer = new ScriptedPeer(answer);
  const controller = new HttpController(peer, NO_VALUES, clock, log, {
    host: '127.0.0.1',
    port: 0,
    apiKey: 'the key',
    valueBytesMax: 1024,
    tls: certificatesOf(authority, name),
    bindsNodeIds: true,
    observer: observing(log),
  });
  const { port } = await controller.start();
  cleanUps.push(() => controller.stop());
  return { port, log, peer };
}

describe.each(['stream', 'http'] as const)('over %s', (transport) => {
  /** As a node that says it is `nodeId` and shows a certificate of `name`; its message is of the node that samples are of. */
  function ask(port: number, name = ASKING.from, nodeId = name, log = new CapturedLog()) {
    const tls = certificatesOf(authority, name);
    const options = {
      nodeId,
      apiKey: 'the key',
      valueBytesMax: 1024,
      tls,
      bindsNodeIds: true,
      observer: observing(log),
    };
    const remote: RemoteKvRepo =
      transport === 'stream'
        ? new StreamRemoteKvRepo(clock, new SimRandom(1), options)
        : new HttpRemoteKvRepo(new HttpService(axios.create()), clock, options);
    cleanUps.push(() => remote.close());
    const to = { nodeId: ANSWERING.from, weight: 1, zone: '', host: '127.0.0.1', port };
    return remote.send(to, question(), { timeoutMs: 5000 });
  }

  it('nodes with certificates of their names talk to each other', async () => {
    const { port, peer } = await listen();
    await ask(port);
    expect(peer.requests).toHaveLength(1);
  });

  it('a node with the certificate of another is refused, and both sides say why', async () => {
    const { port, peer, log } = await listen();
    const asking = new CapturedLog();
    expect((await failureOf(ask(port, 'another', ASKING.from, asking))).code).toBe('DKV_FORBIDDEN');
    expect(peer.requests).toEqual([]);
    const why = `The certificate that was shown is not of node ${ASKING.from}.`;
    expect(log.warnings).toEqual([
      expect.stringMatching(`^Node ${ASKING.from}, at 127.0.0.1, is refused. ${why}`),
    ]);
    expect(asking.warnings).toEqual([
      expect.stringMatching(`^Node ${ANSWERING.from} refuses this node. ${why}`),
    ]);
  });

  it('a node is sent nothing where the certificate is of another', async () => {
    const { port, peer } = await listen('another');
    const log = new CapturedLog();
    expect((await failureOf(ask(port, ASKING.from, ASKING.from, log))).code).toBe('DKV_PEER_UNREACHABLE');
    expect(peer.requests).toEqual([]);
    expect(log.warnings.join()).toContain('its certificate is not accepted');
  });

  it('a node that is who it says cannot send messages of another', async () => {
    const { port, peer } = await listen();
    await failureOf(ask(port, 'mallory'));
    expect(peer.requests).toEqual([]);
  });
});

it('scripts show any certificate of the CA: they are no nodes', async () => {
  const { port } = await listen();
  const status = await new Promise((resolve, reject) => {
    const asked = request({
      port,
      path: '/kv/k',
      headers: { 'X-Api-Key': 'the key' },
      ...certificatesOf(authority, 'a script'),
      agent: false,
      checkServerIdentity: () => undefined,
    });
    asked.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
    asked.end();
  });
  expect(status).toBe(404);
});

describe('the names of a certificate', () => {
  const certificate = (subject: string | undefined, subjectAltName?: string) =>
    ({ subject, subjectAltName }) as X509Certificate;

  it.each([
    ['a common name', certificate('C=DE\nO=x\nCN=node1'), true],
    ['a DNS name', certificate('CN=x', 'DNS:node1.db.svc, DNS:node1, IP Address:10.0.0.1'), true],
    ['a DNS name alone', certificate(undefined, 'DNS:node1'), true],
    ['another common name', certificate('CN=node10'), false],
    ['two common names', certificate('CN=node1\nCN=node2'), false],
    ['a name elsewhere', certificate('O=CN=node1\nOU=node1', 'URI:node1, email:node1'), false],
    ['a wildcard', certificate('CN=*', 'DNS:*, DNS:*.db.svc'), false],
    ['a name within a name', certificate('CN=x', 'DNS:"a, DNS:node1, b"'), false],
    ['none', certificate(undefined), false],
  ])('are %s: is it of node1? %#', (_, given, expected) => {
    expect(isOfNode(given, 'node1')).toBe(expected);
  });
});
