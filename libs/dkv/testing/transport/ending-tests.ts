/** Requests end in time, when their caller wants it, and when either side closes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { DkvError } from '../../src/dkv.errors.js';
import { type Define } from './content-tests.js';
import { Gate } from './gate.js';
import { answer, never, question } from './samples.js';
import { failureOf, TIMEOUT_MS } from './transport-pair.js';

export function defineEndingTests(define: Define): void {
  define('gives up a silent peer after the time-out, not before', async (pair) => {
    pair.peer.script = never;
    let failed = false;
    const failure = pair.failure(question()).finally(() => {
      failed = true;
    });
    await pair.peer.asked(1);
    pair.clock.advance(TIMEOUT_MS - 1);
    pair.peer.script = answer;
    await pair.send(question());
    assert(!failed, 'It failed too early.');
    pair.clock.advance(1);
    assert.equal((await failure).code, 'DKV_PEER_DISCONNECTED');
  });

  define('leaves no timer of a request behind', async (pair) => {
    pair.peer.script = answer;
    await pair.send(question());
    const before = pair.clock.pendingTimers;
    await pair.send(question());
    pair.peer.script = () => {
      throw new DkvError('DKV_NOT_APPLIED', 'no');
    };
    await pair.failure(question());
    assert.equal(pair.clock.pendingTimers, before);
  });

  define('aborts a request under way', async (pair) => {
    pair.peer.script = never;
    const abort = new AbortController();
    const failure = pair.failure(question(), { signal: abort.signal });
    await pair.peer.asked(1);
    abort.abort();
    assert.equal((await failure).code, 'DKV_ABORTED');
    pair.peer.script = answer;
    await pair.send(question());
  });

  define('sends nothing for a caller who aborted before', async (pair) => {
    pair.peer.script = answer;
    assert.equal((await pair.failure(question(), { signal: AbortSignal.abort() })).code, 'DKV_ABORTED');
    await pair.send(question());
    assert.equal(pair.peer.requests.length, 1);
  });

  define('ends what is under way when it closes, and sends nothing after', async (pair) => {
    pair.peer.script = never;
    const failures = Array.from({ length: 3 }, () => pair.failure(question()));
    await pair.peer.asked(3);
    await pair.remote.close();
    for (const error of await Promise.all(failures)) {
      assert.equal(error.code, 'DKV_PEER_DISCONNECTED');
    }
    assert.equal((await pair.failure(question())).code, 'DKV_NOT_READY');
    await pair.relay.idle();
    await pair.remote.close();
  });

  define('closes its idle connections as well', async (pair) => {
    pair.peer.script = answer;
    await pair.send(question());
    await pair.remote.close();
    await pair.relay.idle();
  });

  define('answers what is under way before it stops, and nothing after', async (pair) => {
    const gate = new Gate();
    pair.peer.script = async () => {
      await gate.opened;
      return answer();
    };
    const to = pair.nodeAt(pair.controllerPort);
    const sent = pair.send(question());
    await pair.peer.asked(1);
    let stopped = false;
    const stop = pair.controller.stop().then(() => {
      stopped = true;
    });
    // Refused once the port is closed: the stop has come as far as waiting for the request.
    while ((await Promise.allSettled([pair.send(question(), { to })]))[0]?.status === 'fulfilled');
    assert(!stopped, 'It did not wait for the request.');
    gate.open();
    assert.deepEqual((await sent).answer, answer().answer);
    await stop;
    assert.equal((await pair.failure(question(), { to })).code, 'DKV_PEER_UNREACHABLE');
    assert.equal(pair.peer.requests.length, 1);
    await pair.controller.stop();
  });

  define('stops although a connection was opened and never used', async (pair) => {
    const unused = connect(pair.controllerPort, '127.0.0.1').resume();
    unused.on('error', () => undefined);
    await once(unused, 'connect');
    const closed = new Promise<void>((resolve) => unused.once('close', () => resolve()));
    await pair.controller.stop();
    await closed;
  });

  define('names the port that is taken', async (pair) => {
    const error = await failureOf(pair.startController({ port: pair.controllerPort }));
    assert.equal(error.code, 'DKV_PORT_IN_USE');
    assert(error.message.includes(String(pair.controllerPort)), error.message);
  });
}
