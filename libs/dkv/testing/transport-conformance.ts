/** What any transport (a RemoteKvRepo and its Controller) must do; each one plugs in with a factory of both ends. */
import { defineConnectionTests } from './transport/connection-tests.js';
import { defineContentTests } from './transport/content-tests.js';
import { defineEndingTests } from './transport/ending-tests.js';
import { definePostTests } from './transport/post-tests.js';
import { defineRefusalTests } from './transport/refusal-tests.js';
import { type Transport, TransportPair } from './transport/transport-pair.js';

export { type Transport, type TransportSettings } from './transport/transport-pair.js';

/** A test runner's `test` or `it`. */
export type DefineTest = (name: string, body: () => Promise<void>) => unknown;

/**
 * Defines the tests of `transport`. Everything runs on loopback, on free ports, on a clock that stands still; each
 * test stops what it started.
 */
export function testRemoteKvTransport(test: DefineTest, transport: Transport): void {
  const define = (name: string, body: (pair: TransportPair) => Promise<void>) =>
    test(name, () => TransportPair.with(transport, body));
  defineContentTests(define);
  defineRefusalTests(define);
  defineConnectionTests(define);
  defineEndingTests(define);
  definePostTests(define);
}
