/** When connections fail, the error says whether the request can have been carried out. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { freePort } from '../free-port.js';
import { isDkvError } from '../../src/dkv.errors.js';
import { type Define } from './content-tests.js';
import { Gate } from './gate.js';
import { answer, never, question, sampleExchanges } from './samples.js';
import { type TransportPair } from './transport-pair.js';

export function defineConnectionTests(define: Define): void {
  define('says unreachable when nobody listens', async (pair) => {
    const error = await pair.failure(question(), { to: pair.nodeAt(await freePort()) });
    assert.equal(error.code, 'DKV_PEER_UNREACHABLE');
  });

  define('says unreachable when the name of the peer does not resolve', async (pair) => {
    const error = await pair.failure(question(), { to: pair.nodeAt(7000, 'no..such..host') });
    assert.equal(error.code, 'DKV_PEER_UNREACHABLE');
  });

  define('says disconnected when the peer dies with the request', async (pair) => {
    pair.peer.script = never;
    const failure = pair.failure(question());
    await pair.peer.asked(1);
    pair.relay.reset();
    assert.equal((await failure).code, 'DKV_PEER_DISCONNECTED');
  });

  define('fails when the peer accepts and dies at once', async (pair) => {
    pair.relay.targetPort = undefined;
    const error = await pair.failure(question());
    assert(isDkvError(error, 'DKV_PEER_UNREACHABLE', 'DKV_PEER_DISCONNECTED'), String(error));
  });

  define('reaches a peer again that restarted', async (pair) => {
    pair.peer.script = answer;
    await Promise.all(Array.from({ length: 8 }, () => pair.send(question())));
    await pair.controller.stop();
    await pair.relay.idle();
    pair.relay.targetPort = (await pair.startController()).port;
    await pair.send(question());
  });

  define('answers while forwarded writes fill its connections', assertForwardsApart);

  define('loses one request at most to connections that went stale unseen', async (pair) => {
    const gate = new Gate();
    pair.peer.script = async () => {
      await gate.opened;
      return answer();
    };
    // All at once, so that several connections are left idle where a transport has several.
    const sent = Array.from({ length: 4 }, () => pair.send(question()));
    await pair.peer.asked(4);
    gate.open();
    await Promise.all(sent);
    pair.relay.sever();
    const error = await pair.failure(question());
    assert(isDkvError(error, 'DKV_PEER_UNREACHABLE', 'DKV_PEER_DISCONNECTED'), String(error));
    await pair.send(question());
  });
}

/** Forwarded writes wait for other nodes, which may wait for this one: nothing else may wait for them. */
async function assertForwardsApart(pair: TransportPair): Promise<void> {
  pair.peer.script = (request) => (request.kind === 'forward' ? never() : answer());
  const forward = sampleExchanges(1).find(({ request }) => request.kind === 'forward')!.request;
  const abort = new AbortController();
  const forwards = Array.from({ length: 200 }, () => pair.failure(forward, { signal: abort.signal }));
  await pair.peer.asked(1);
  await pair.send(question());
  // One signal for many requests is what applications do; Node warns of a leak at the eleventh listener.
  assert(getEventListeners(abort.signal, 'abort').length <= 1);
  abort.abort();
  await Promise.all(forwards);
}
