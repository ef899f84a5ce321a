/** Everything that peers say arrives as it was said. */
import assert from 'node:assert/strict';
import { type PeerRequest } from '../../src/model/peer-protocol.js';
import {
  ANSWERING,
  ASKING,
  exchange,
  type Exchange,
  ODD_KEYS,
  sampleExchanges,
  sampleRecord,
  VERSION,
} from './samples.js';
import { type TransportPair, VALUE_BYTES_MAX } from './transport-pair.js';

export type Define = (name: string, body: (pair: TransportPair) => Promise<void>) => unknown;

export function defineContentTests(define: Define): void {
  for (const sample of sampleExchanges(VALUE_BYTES_MAX)) {
    define(`carries ${sample.name}`, (pair) => assertCarried(pair, sample));
  }

  for (const key of ODD_KEYS) {
    define(`carries the key ${JSON.stringify(key).slice(0, 30)}`, async (pair) => {
      const id = { partition: 1, namespace: '__proto__', key };
      const record = sampleRecord({ namespace: id.namespace, key });
      await assertCarried(pair, exchange('get', 'an odd key', { id }, { record }));
    });
  }

  define('answers each of many concurrent requests with its own answer', assertOwnAnswers);

  define('counts bytes both ways', async (pair) => {
    const record = sampleRecord({ value: new Uint8Array(10_000) });
    const kept = { version: VERSION, newer: undefined };
    const start = pair.remote.metrics();
    await assertCarried(pair, exchange('addOrUpdate', 'up', { partition: 0, record }, kept));
    const up = pair.remote.metrics();
    assert(up.sentBytes - start.sentBytes >= 10_000, `${up.sentBytes} bytes sent`);
    const id = { partition: 0, namespace: record.namespace, key: record.key };
    await assertCarried(pair, exchange('get', 'down', { id }, { record }));
    const down = pair.remote.metrics();
    assert(down.receivedBytes - up.receivedBytes >= 10_000, `${down.receivedBytes} bytes received`);
    assert(up.receivedBytes > start.receivedBytes && up.receivedBytes - start.receivedBytes < 10_000);
    assert(down.sentBytes > up.sentBytes && down.sentBytes - up.sentBytes < 10_000);
  });
}

async function assertCarried(pair: TransportPair, { request, reply }: Exchange): Promise<void> {
  pair.peer.script = () => reply;
  const before = pair.peer.requests.length;
  const answered = await pair.send(request);
  assert.deepEqual(plain(pair.peer.requests[before]), plain(request));
  assert.deepEqual(plain(answered), plain(reply));
}

async function assertOwnAnswers(pair: TransportPair): Promise<void> {
  const waiting: (() => void)[] = [];
  // In reverse, eight at a time: answers given by order of arrival would be somebody else's.
  pair.peer.script = async (request) => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (waiting.length === 8) {
        for (const answer of waiting.splice(0).reverse()) {
          answer();
        }
      }
    });
    const { namespace, key } = (request as PeerRequest<'get'>).ask.id;
    return { kind: 'get', ...ANSWERING, answer: { record: sampleRecord({ namespace, key }) } };
  };
  const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`);
  const replies = await Promise.all(
    keys.map((key) =>
      pair.send({ kind: 'get', ...ASKING, ask: { id: { partition: 0, namespace: 'default', key } } }),
    ),
  );
  assert.deepEqual(
    replies.map(({ answer }) => answer.record?.key),
    keys,
  );
}

/** Equal for equal bytes, whether a transport hands out Buffers or plain Uint8Arrays; undefined is as good as absent. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) {
    return Uint8Array.from(value);
  }
  if (Array.isArray(value)) {
    return value.map(plain);
  }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return Object.fromEntries(fields.map(([name, field]) => [name, plain(field)]));
  }
  return value;
}
