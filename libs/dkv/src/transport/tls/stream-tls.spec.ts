/** Encrypted connections between peers, over either transport: who gets in, who is sent nothing, what is told. */
import 'reflect-metadata';
import { HttpService } from '@nestjs/axios';
import axios from 'axios';
import { once } from 'node:events';
import { Agent, request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { connect as tlsConnect, type ConnectionOptions } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { certificatesOf, issue, type Issued } from '../../../testing/certificates.js';
import { ClusterView } from '../../cluster/cluster-view.js';
import { PeerTransitions } from '../../cluster/peer-transitions.js';
import { testNodes } from '../../../testing/test-nodes.js';
import { testRing } from '../../../testing/test-ring.js';
import { CapturedLog } from '../../../testing/captured-log.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { Gate } from '../../../testing/transport/gate.js';
import { answer, ANSWERING, question } from '../../../testing/transport/samples.js';
import { ScriptedPeer } from '../../../testing/transport/scripted-peer.js';
import { failureOf } from '../../../testing/transport/transport-pair.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { HttpController } from '../http/http-controller.js';
import { type KvService } from '../rest/kv-service.js';
import { type RemoteKvRepo } from '../../ports/remote-kv-repo.js';
import { type PeerCertificates, type PeerTls } from './peer-tls.js';
import { encodePeerRequest } from '../messages/peer-codec.js';
import { HttpRemoteKvRepo } from '../http/http-remote-kv-repo.js';
import { StreamRemoteKvRepo } from '../stream/stream-remote-kv-repo.js';

const NO_REST: KvService = {
  get: () => Promise.reject(new Error('not asked here')),
  addOrUpdate: () => Promise.reject(new Error('not asked here')),
  remove: () => Promise.reject(new Error('not asked here')),
};

const clock = new ManualClock();
const cleanUps: (() => Promise<unknown>)[] = [];
let ours: PeerCertificates;
let others: PeerCertificates;
let authority: Issued;

beforeAll(() => {
  authority = issue('the CA');
  ours = certificatesOf(authority);
  others = certificatesOf(issue('another CA'));
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) {
    await cleanUp();
  }
});

async function controllerWith(tls?: PeerTls, peer = new ScriptedPeer(answer)) {
  const log = new CapturedLog();
  const options = {
    host: '127.0.0.1',
    port: 0,
    apiKey: 'the key',
    valueBytesMax: 1024,
    tls,
    observer: observing(log),
  };
  const controller = new HttpController(peer, NO_REST, clock, log, options);
  const { port } = await controller.start();
  cleanUps.push(() => controller.stop());
  return { controller, port, log };
}

/** What an operator reads at a node that knows who answers here. */
function observing(log: CapturedLog): PeerTransitions {
  const nodes = testNodes('node-a.0', ANSWERING.from);
  return new PeerTransitions(ClusterView.of('node-a.0', testRing(nodes), nodes), clock, log);
}

type Make = (tls?: PeerTls, observer?: PeerTransitions) => RemoteKvRepo;

const options = { nodeId: 'node-a.0', apiKey: 'the key', valueBytesMax: 1024 };
const overStream: Make = (tls, observer) =>
  new StreamRemoteKvRepo(clock, new SimRandom(1), { ...options, tls, observer });
const overHttp: Make = (tls, observer) =>
  new HttpRemoteKvRepo(new HttpService(axios.create()), clock, { ...options, tls, observer });

function ask(port: number, tls?: PeerTls, make = overStream, log?: CapturedLog) {
  const remote = make(tls, log && observing(log));
  cleanUps.push(() => remote.close());
  const to = { nodeId: ANSWERING.from, weight: 1, zone: '', host: '127.0.0.1', port };
  return remote.send(to, question(), { timeoutMs: 5000 });
}

/** Connects, waits for what the port has to say, and hangs up; whether it resumed a session. */
async function handshake(port: number, tls: ConnectionOptions, onSession?: (session: Buffer) => void) {
  const socket = tlsConnect({ port, host: '127.0.0.1', ...tls, checkServerIdentity: () => undefined });
  socket.on('session', (session: Buffer) => onSession?.(session));
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.resume().once('close', () => resolve()));
  let resumed: boolean | undefined;
  socket.once('secureConnect', () => {
    resumed = socket.isSessionReused();
  });
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await closed;
  return resumed;
}

describe('an encrypted peer port', () => {
  it('answers who has a certificate of the CA, over the stream and over HTTPS', async () => {
    const { port } = await controllerWith(ours);
    await ask(port, ours);
    const agent = new Agent({ ...ours, checkServerIdentity: () => undefined });
    const headers = {
      'X-Api-Key': 'the key',
      'Content-Type': 'application/octet-stream',
      'X-Dkv-Format': '3',
    };
    const post = httpsRequest({ port, path: '/peer/get', method: 'POST', headers, agent });
    post.end(encodePeerRequest(question()));
    const [response] = (await once(post, 'response')) as [{ statusCode: number }];
    expect(response.statusCode).toBe(200);
    agent.destroy();
  });

  it('refuses who has none, or one of another CA, or does not encrypt', async () => {
    const { port } = await controllerWith(ours);
    for (const tls of [undefined, others, { ...others, ca: ours.ca }]) {
      expect((await failureOf(ask(port, tls))).code).toBe('DKV_PEER_UNREACHABLE');
    }
  });

  it.each([
    ['a stream', overStream],
    ['HTTP', overHttp],
  ])('of another CA is sent nothing over %s, and the log says so', async (_, make) => {
    const peer = new ScriptedPeer(answer);
    const { port } = await controllerWith({ ...others, ca: ours.ca }, peer);
    const log = new CapturedLog();
    const failure = await failureOf(ask(port, ours, make, log));
    expect(failure.code).toBe('DKV_PEER_UNREACHABLE');
    expect(failure.message).toMatch(/certificate/);
    expect(peer.requests).toEqual([]);
    expect(log.warnings).toEqual([
      expect.stringMatching(
        `^Node ${ANSWERING.from} cannot be connected to: its certificate is not accepted`,
      ),
    ]);
  });

  it.each([
    ['a stream', overStream],
    ['HTTP', overHttp],
  ])('that does not encrypt is sent nothing over %s, and the log says so', async (_, make) => {
    const peer = new ScriptedPeer(answer);
    const { port } = await controllerWith(undefined, peer);
    const log = new CapturedLog();
    expect((await failureOf(ask(port, ours, make, log))).code).toBe('DKV_PEER_UNREACHABLE');
    expect(peer.requests).toEqual([]);
    expect(log.warnings.join()).toMatch(/cannot be connected to: it does not encrypt/);
  });

  it('logs why it refuses, not for every attempt, and says nothing of a probe', async () => {
    const { port, log } = await controllerWith(ours);
    const probe = connect(port, '127.0.0.1');
    await once(probe, 'connect');
    probe.destroy();
    for (const [tls, reason] of [
      [undefined, /from 127\.0\.0\.1 was refused: it does not encrypt\. Give every node the option tls/],
      [{ ...others, ca: ours.ca }, /refused: its certificate is not accepted \(UNABLE_TO_VERIFY_LEAF_SIGN/],
    ] as const) {
      await failureOf(ask(port, tls));
      await failureOf(ask(port, tls));
      await expect.poll(() => log.warnings.length).toBe(1);
      expect(log.warnings.pop()).toMatch(reason);
      clock.advance(60_001);
    }
    await handshake(port, { ca: ours.ca });
    expect(log.warnings.pop()).toMatch(/refused: it shows no certificate/);
    clock.advance(60_001);
    await handshake(port, { ...ours, maxVersion: 'TLSv1.2' });
    expect(log.warnings.pop()).toMatch(/refused: its TLS is older than 1\.3/);
  });

  it('resumes no session: a certificate is asked for every time', async () => {
    const { port } = await controllerWith(ours);
    const sessions: Buffer[] = [];
    await handshake(port, ours, (session) => sessions.push(session));
    for (const session of sessions) {
      expect(await handshake(port, { ...ours, session })).toBe(false);
    }
    await handshake(port, { ca: ours.ca, session: sessions[0] });
    expect((await failureOf(ask(port))).code).toBe('DKV_PEER_UNREACHABLE');
  });

  it('takes renewed certificates with the next connection, and keeps the last good ones', async () => {
    let current: PeerCertificates = others;
    const { port, log } = await controllerWith(() => current);
    expect((await failureOf(ask(port, ours))).code).toBe('DKV_PEER_UNREACHABLE');
    current = certificatesOf(authority, 'a node, again');
    await ask(port, () => ours);
    current = { key: 'no key', cert: '', ca: '' };
    await ask(port, ours);
    expect(log.errors.join()).toMatch(/could not be renewed/);
  });

  it('stops when what is under way is answered, whatever connections are open', async () => {
    const gate = new Gate();
    const peer = new ScriptedPeer(async () => {
      await gate.opened;
      return answer();
    });
    const { controller, port } = await controllerWith(ours, peer);
    const unused = connect(port, '127.0.0.1').resume();
    unused.on('error', () => undefined);
    await once(unused, 'connect');
    const sent = ask(port, ours);
    await peer.asked(1);
    const stopped = controller.stop();
    gate.open();
    await sent;
    await stopped;
  });
});
