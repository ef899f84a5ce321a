/** The HTTP transport passes what every transport must. */
import 'reflect-metadata';
import { HttpService } from '@nestjs/axios';
import axios from 'axios';
import { describe, it } from 'vitest';
import { certificatesOf, issue } from '../../../testing/certificates.js';
import { type Transport, testRemoteKvTransport } from '../../../testing/transport-conformance.js';
import { HttpController } from './http-controller.js';
import { type KvService } from '../rest/kv-service.js';
import { type Logger } from '../../ports/logger.js';
import { type PeerTls } from '../tls/peer-tls.js';
import { HttpRemoteKvRepo } from './http-remote-kv-repo.js';

const NO_REST: KvService = {
  get: () => Promise.reject(new Error('not asked here')),
  addOrUpdate: () => Promise.reject(new Error('not asked here')),
  remove: () => Promise.reject(new Error('not asked here')),
};

const SILENT: Logger = { log() {}, warn() {}, error() {} };

/** Both ends show a certificate of one CA, or neither any. */
const http = (tls?: PeerTls): Transport => ({
  controller: (service, { clock, ...settings }) =>
    new HttpController(service, NO_REST, clock, SILENT, { host: '127.0.0.1', tls, ...settings }),
  remote: ({ clock, ...settings }) =>
    new HttpRemoteKvRepo(new HttpService(axios.create()), clock, { tls, ...settings }),
});

describe('HTTP transport', () => testRemoteKvTransport(it, http()));

describe('HTTP transport over TLS', () => {
  testRemoteKvTransport(it, http(certificatesOf(issue('the CA'))));
});
