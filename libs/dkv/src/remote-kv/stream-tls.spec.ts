import 'reflect-metadata';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ManualClock } from '../../testing/manual-clock.js';
import { Gate } from '../../testing/remote-kv/gate.js';
import { answer, ANSWERING, question } from '../../testing/remote-kv/samples.js';
import { ScriptedPeer } from '../../testing/remote-kv/scripted-peer.js';
import { failureOf } from '../../testing/remote-kv/transport-pair.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { HttpController } from '../peer/http-controller.js';
import { type KvService } from '../peer/kv-service.js';
import { type PeerCertificates, type PeerTls } from '../wire/frames/peer-tls.js';
import { encodePeerRequest } from '../wire/peer-codec.js';
import { StreamRemoteKvRepo } from './stream-remote-kv-repo.js';

const NO_REST: KvService = {
  get: () => Promise.reject(new Error('not asked here')),
  addOrUpdate: () => Promise.reject(new Error('not asked here')),
  remove: () => Promise.reject(new Error('not asked here')),
};

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
};
const [SEQUENCE, SET, INTEGER, BITS, OCTETS, UTF8, UTC_TIME, TIME] = [
  0x30, 0x31, 2, 3, 4, 12, 23, 24,
] as const;
const ECDSA_SHA256 = der(SEQUENCE, Buffer.from('06082a8648ce3d040302', 'hex'));
const VALIDITY = der(
  SEQUENCE,
  der(UTC_TIME, Buffer.from('200101000000Z')),
  der(TIME, Buffer.from('21000101000000Z')),
);
const IS_CA = der(
  0xa3,
  der(
    SEQUENCE,
    der(SEQUENCE, Buffer.from('0603551d130101ff', 'hex'), der(OCTETS, Buffer.from('30030101ff', 'hex'))),
  ),
);
const nameOf = (name: string) =>
  der(SEQUENCE, der(SET, der(SEQUENCE, Buffer.from('0603550403', 'hex'), der(UTF8, Buffer.from(name)))));

interface Issued {
  readonly name: string;
  readonly key: string;
  readonly cert: string;
}

let serial = 0;

/** A certificate for `name`, signed by `issuer` or by itself. */
function issue(name: string, issuer?: Issued): Issued {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.of(2))),
    der(INTEGER, Buffer.of(++serial)),
    ECDSA_SHA256,
    nameOf(issuer?.name ?? name),
    VALIDITY,
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(issuer ? [] : [IS_CA]),
  );
  const signature = der(BITS, Buffer.of(0), sign('sha256', body, issuer?.key ?? key));
  const base64 = der(SEQUENCE, body, ECDSA_SHA256, signature).toString('base64');
  const cert = `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
  return { name, key, cert };
}

const clock = new ManualClock();
const cleanUps: (() => Promise<unknown>)[] = [];
let ours: PeerCertificates;
let others: PeerCertificates;
let authority: Issued;

beforeAll(() => {
  authority = issue('the CA');
  ours = { ...issue('a node', authority), ca: authority.cert };
  const stranger = issue('another CA');
  others = { ...issue('a node', stranger), ca: stranger.cert };
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) {
    await cleanUp();
  }
});

async function controllerWith(tls: PeerTls, peer = new ScriptedPeer(answer)) {
  const errors: string[] = [];
  const logger = { log() {}, warn() {}, error: (message: string) => void errors.push(message) };
  const options = { host: '127.0.0.1', port: 0, apiKey: 'the key', valueBytesMax: 1024, tls };
  const controller = new HttpController(peer, NO_REST, clock, logger, options);
  const { port } = await controller.start();
  cleanUps.push(() => controller.stop());
  return { controller, port, errors };
}

function ask(port: number, tls?: PeerTls) {
  const remote = new StreamRemoteKvRepo(clock, new SimRandom(1), {
    apiKey: 'the key',
    valueBytesMax: 1024,
    tls,
  });
  cleanUps.push(() => remote.close());
  const to = { nodeId: ANSWERING.from, weight: 1, zone: '', host: '127.0.0.1', port };
  return remote.send(to, question(), { timeoutMs: 5000 });
}

describe('an encrypted peer port', () => {
  it('answers who has a certificate of the CA, over the stream and over HTTPS', async () => {
    const { port } = await controllerWith(ours);
    await ask(port, ours);
    const agent = new Agent({ ...ours, checkServerIdentity: () => undefined });
    const headers = { 'X-Api-Key': 'the key', 'Content-Type': 'application/json' };
    const post = httpsRequest({ port, path: '/peer/get', method: 'POST', headers, agent });
    post.end(JSON.stringify(encodePeerRequest(question())));
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

  it('is refused when its own certificate is of another CA', async () => {
    const { port } = await controllerWith({ ...others, ca: ours.ca });
    expect((await failureOf(ask(port, ours))).message).toMatch(/certificate/);
  });

  it('takes renewed certificates with the next connection, and keeps the last good ones', async () => {
    let current: PeerCertificates = others;
    const { port, errors } = await controllerWith(() => current);
    expect((await failureOf(ask(port, ours))).code).toBe('DKV_PEER_UNREACHABLE');
    current = { ...issue('a node, again', authority), ca: authority.cert };
    await ask(port, () => ours);
    current = { key: 'no key', cert: '', ca: '' };
    await ask(port, ours);
    expect(errors.join()).toMatch(/could not be renewed/);
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
