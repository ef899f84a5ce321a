/** The stream transport passes what every transport must. */
import 'reflect-metadata';
import { describe, it } from 'vitest';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { certificatesOf, issue } from '../../../testing/certificates.js';
import { type Transport, testRemoteKvTransport } from '../../../testing/transport-conformance.js';
import { HttpController } from '../http/http-controller.js';
import { type KvService } from '../rest/kv-service.js';
import { type Logger } from '../../ports/logger.js';
import { type PeerTls } from '../tls/peer-tls.js';
import { StreamRemoteKvRepo } from './stream-remote-kv-repo.js';

const NO_REST: KvService = {
  get: () => Promise.reject(new Error('not asked here')),
  addOrUpdate: () => Promise.reject(new Error('not asked here')),
  remove: () => Promise.reject(new Error('not asked here')),
};

const SILENT: Logger = { log() {}, warn() {}, error() {} };

/** Both ends show a certificate of one CA, or neither any. */
const stream = (tls?: PeerTls): Transport => ({
  controller: (service, { clock, ...settings }) =>
    new HttpController(service, NO_REST, clock, SILENT, { host: '127.0.0.1', tls, ...settings }),
  remote: ({ clock, ...settings }) => new StreamRemoteKvRepo(clock, new SimRandom(1), { tls, ...settings }),
});

describe('stream transport', () => testRemoteKvTransport(it, stream()));

describe('stream transport over TLS', () => {
  testRemoteKvTransport(it, stream(certificatesOf(issue('the CA'))));
});
