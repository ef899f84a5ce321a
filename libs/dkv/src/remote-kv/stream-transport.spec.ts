/** The stream transport passes what every transport must. */
import 'reflect-metadata';
import { describe, it } from 'vitest';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { type Transport, testRemoteKvTransport } from '../../testing/remote-kv-conformance.js';
import { HttpController } from '../peer/http-controller.js';
import { type KvService } from '../peer/kv-service.js';
import { type Logger } from '../ports/logger.js';
import { StreamRemoteKvRepo } from './stream-remote-kv-repo.js';

const NO_REST: KvService = {
  get: () => Promise.reject(new Error('not asked here')),
  addOrUpdate: () => Promise.reject(new Error('not asked here')),
  remove: () => Promise.reject(new Error('not asked here')),
};

const SILENT: Logger = { log() {}, warn() {}, error() {} };

const stream: Transport = {
  controller: (service, { clock, ...settings }) =>
    new HttpController(service, NO_REST, clock, SILENT, { host: '127.0.0.1', ...settings }),
  remote: ({ clock, ...settings }) => new StreamRemoteKvRepo(clock, new SimRandom(1), settings),
};

describe('stream transport', () => testRemoteKvTransport(it, stream));
