/** What any LocalKvRepo must do, whatever it keeps its records in; each one plugs in with a factory. */
import { defineConcurrencyTests } from './local-kv/concurrency-tests.js';
import { defineErasureTests } from './local-kv/erasure-tests.js';
import { defineFloorTests } from './local-kv/floor-tests.js';
import { defineHintTests } from './local-kv/hint-tests.js';
import { defineLifecycleTests } from './local-kv/lifecycle-tests.js';
import { type LocalKvSubject, RepoUnderTest } from './local-kv/repo-under-test.js';
import { defineRecordTests } from './local-kv/record-tests.js';
import { defineScanTests } from './local-kv/scan-tests.js';
import { defineUpdateTests } from './local-kv/update-tests.js';

export { type LocalKvStorage, type LocalKvSubject } from './local-kv/repo-under-test.js';

/**
 * Defines the tests of a LocalKvRepo with `test`, a runner's `test` or `it` (Vitest, Jest, node:test). Each test has a
 * storage of its own, which it removes. The assertions are `node:assert/strict`.
 */
export function testLocalKvRepo(
  test: (name: string, body: () => Promise<void>) => unknown,
  subject: LocalKvSubject,
): void {
  const define = (name: string, body: (under: RepoUnderTest) => Promise<void>) =>
    test(name, () => RepoUnderTest.with(subject, body));
  defineRecordTests(define);
  defineUpdateTests(define);
  defineConcurrencyTests(define);
  defineScanTests(define);
  defineHintTests(define);
  defineFloorTests(define, subject.durable);
  defineErasureTests(define, subject.durable);
  defineLifecycleTests(define, subject.durable);
}
