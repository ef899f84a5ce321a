/** Errors come back as they are, and what must not pass does not, on either side. */
import assert from 'node:assert/strict';
import { DkvError, type DkvErrorCode, isDkvError } from '../../src/dkv.errors.js';
import { type Define } from './content-tests.js';
import { Gate } from './gate.js';
import { addOrUpdate, answer, ANSWERING, question, sampleRecord, VERSION } from './samples.js';
import { type TransportPair, VALUE_BYTES_MAX } from './transport-pair.js';

const CODES: readonly DkvErrorCode[] = [
  'DKV_NOT_APPLIED',
  'DKV_INDETERMINATE',
  'DKV_QUORUM_NOT_REACHED',
  'DKV_CONFIGURATION_MISMATCH',
  'DKV_FORWARDING_LOOP',
];

export function defineRefusalTests(define: Define): void {
  for (const code of CODES) {
    define(`brings ${code} back with its message`, async (pair) => {
      pair.peer.script = () => {
        throw new DkvError(code, `Why: "${code}" 🛰`);
      };
      const error = await pair.failure(question());
      assert.equal(error.code, code);
      assert.equal(error.message, `Why: "${code}" 🛰`);
    });
  }

  define('tells nothing of an unexpected error of the peer', async (pair) => {
    pair.peer.script = () => {
      throw new Error('a secret of the peer');
    };
    const error = await pair.failure(question());
    assert.equal(error.code, 'DKV_PROTOCOL');
    assert(!error.message.includes('secret'), error.message);
  });

  define('refuses a wrong api key', async (pair) => {
    pair.peer.script = answer;
    for (const apiKey of ['the kez', 'the key.', 'the ke']) {
      const error = await pair.failure(question(), { remote: pair.newRemote({ apiKey }) });
      assert.equal(error.code, 'DKV_FORBIDDEN');
    }
    assert.equal(pair.peer.requests.length, 0);
  });

  define('refuses to send what is too large, and goes on', async (pair) => {
    pair.peer.script = answer;
    const record = sampleRecord({ value: new Uint8Array(2 * VALUE_BYTES_MAX) });
    assert.equal((await pair.failure(addOrUpdate(record))).code, 'DKV_VALUE_TOO_LARGE');
    assert.equal(pair.peer.requests.length, 0);
    await pair.send(question());
  });

  define('refuses an answer that is too large, and goes on', async (pair) => {
    const record = sampleRecord({ value: new Uint8Array(16 * VALUE_BYTES_MAX) });
    pair.peer.script = () => ({ kind: 'get', ...ANSWERING, answer: { record } });
    assert.equal((await pair.failure(question())).code, 'DKV_PROTOCOL');
    pair.peer.script = answer;
    await pair.send(question());
  });

  define('refuses a record that does not match its checksum, either way', async (pair) => {
    const record = { ...sampleRecord(), value: Uint8Array.of(1, 2, 3) };
    assert.equal((await pair.failure(addOrUpdate(record))).code, 'DKV_CORRUPT_RECORD');
    assert.equal(pair.peer.requests.length, 0);
    pair.peer.script = () => ({ kind: 'get', ...ANSWERING, answer: { record } });
    assert.equal((await pair.failure(question())).code, 'DKV_CORRUPT_RECORD');
    assert.equal(pair.peer.requests.length, 1);
  });

  define('turns callers away at once when too many bytes are under way', assertBounded);
}

async function assertBounded(pair: TransportPair): Promise<void> {
  const gate = new Gate();
  pair.peer.script = async () => {
    await gate.opened;
    return { kind: 'addOrUpdate', ...ANSWERING, answer: { version: VERSION, newer: undefined } };
  };
  const request = addOrUpdate(sampleRecord({ value: new Uint8Array(VALUE_BYTES_MAX) }));
  // By their values alone four more than the bound allows.
  const outcomes = Array.from({ length: 20 }, () => pair.send(request));
  const last = await Promise.allSettled(outcomes.slice(-4));
  for (const outcome of last) {
    assert(outcome.status === 'rejected' && isDkvError(outcome.reason, 'DKV_OVERLOADED'));
  }
  gate.open();
  const settled = await Promise.allSettled(outcomes);
  const carried = settled.filter(({ status }) => status === 'fulfilled').length;
  assert(carried > 0 && carried <= 16, `${carried} of 20 were carried`);
  assert.equal(pair.peer.requests.length, carried);
  await pair.send(request);
}
