/** One-way frames: whole, in order, at most once, in bounds; and the end of a connection is told. */
import assert from 'node:assert/strict';
import { POST_OVERHEAD_BYTES, type PostLane } from '../../src/ports/remote-kv-repo.js';
import { freePort } from '../free-port.js';
import { type Define } from './content-tests.js';
import { ANSWERING, answer, ASKING, question } from './samples.js';
import { type TransportPair, VALUE_BYTES_MAX } from './transport-pair.js';

const LANES: readonly PostLane[] = ['live', 'bulk'];
/** More than the bound of any lane in one frame above it. */
const LANE_BYTES_MAX = 8 * 1024 * 1024;
/** After a failure a peer is tried again within that. */
const PAUSE_MS = 1500;

export function definePostTests(define: Define): void {
  for (const lane of LANES) {
    define(`posts frames in the order of the ${lane} lane`, (pair) => assertInOrder(pair, lane));

    define(`posts a frame of 1 MiB in the ${lane} lane, between small ones`, async (pair) => {
      await pair.open(lane);
      const large = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => (i * 31) % 251);
      for (const frame of [Uint8Array.of(1), large, Uint8Array.of(2)]) {
        // The bound of the lane may be met until the large one is gone.
        await pair.until(() => pair.post(frame, lane));
      }
      await pair.peer.posted(3);
      assert.deepEqual(
        pair.peer.frames.map(({ frame }) => Buffer.compare(frame, large) === 0 || [...frame]),
        [[1], true, [2]],
      );
    });

    define(`takes no more for the ${lane} lane than its bound, and goes on when there is room`, (pair) =>
      assertBounded(pair, lane),
    );
  }

  define('drops frames at once while no connection is open', async (pair) => {
    const to = pair.nodeAt(await freePort());
    for (let turn = 0; turn < 20; turn++) {
      assert.equal(pair.remote.post(to, Uint8Array.of(1), 'live'), false);
      await new Promise((resolve) => setImmediate(resolve));
      pair.clock.advance(PAUSE_MS);
    }
    assert.deepEqual(pair.peer.frames, []);
  });

  define('drops frames of a remote that was closed', async (pair) => {
    await pair.open('live');
    await pair.remote.close();
    assert.equal(pair.post(Uint8Array.of(1), 'live'), false);
  });

  define('refuses a frame that is larger than any may be', async (pair) => {
    await pair.open('live');
    const frame = new Uint8Array(VALUE_BYTES_MAX + POST_OVERHEAD_BYTES + 1);
    assert.throws(() => pair.post(frame, 'live'), TypeError);
  });

  define('delays no live frame and no request for bulk that does not move', assertBulkApart);

  define('tells that the connection with a node ended, and posts to it again', async (pair) => {
    const told: string[] = [];
    pair.remote.onDisconnect((nodeId) => told.push(nodeId));
    await pair.open('live');
    assert.deepEqual(told, []);
    pair.relay.reset();
    await pair.until(() => {
      pair.post(Uint8Array.of(1), 'live');
      return told.length > 0;
    });
    assert.deepEqual(told, [ANSWERING.from]);
    await pair.open('live');
  });

  define('delivers no frame twice and none out of order when connections break', async (pair) => {
    let number = 0;
    for (let round = 0; round < 3; round++) {
      await pair.until(() => pair.post(numbered(number), 'live'));
      for (let more = 0; more < 50; more++) {
        pair.post(numbered(++number), 'live');
      }
      await new Promise((resolve) => setImmediate(resolve));
      pair.relay.reset();
      await pair.relay.idle();
      number++;
    }
    const marker = number;
    // What is taken may still be lost with its connection: until one has come.
    await pair.until(() => {
      pair.post(numbered(number++), 'live');
      return pair.peer.frames.some(({ frame }) => numberOf(frame) >= marker);
    });
    const numbers = pair.peer.frames.map(({ frame }) => numberOf(frame));
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    );
  });

  define('says nothing of a node when it closes itself', async (pair) => {
    const told: string[] = [];
    pair.remote.onDisconnect((nodeId) => told.push(nodeId));
    await pair.open('live');
    await pair.remote.close();
    await pair.relay.idle();
    assert.deepEqual(told, []);
  });
}

async function assertInOrder(pair: TransportPair, lane: PostLane): Promise<void> {
  await pair.open(lane);
  const frames = Array.from({ length: 300 }, (_, i) => new Uint8Array((i * 37) % 2000).fill(i));
  const last = new Uint8Array(100_000).fill(7);
  for (const frame of [...frames, last, ...frames]) {
    await pair.until(() => pair.post(frame, lane));
  }
  await pair.peer.posted(601);
  const posted = pair.peer.frames.map(
    ({ from, frame }) => `${from} ${Buffer.from(frame).toString('base64')}`,
  );
  assert.deepEqual(
    posted,
    [...frames, last, ...frames].map((frame) => `${ASKING.from} ${Buffer.from(frame).toString('base64')}`),
  );
}

async function assertBounded(pair: TransportPair, lane: PostLane): Promise<void> {
  await pair.open(lane);
  let taken = 0;
  // In one turn: nothing is sent meanwhile.
  while (taken * 64 * 1024 < 2 * LANE_BYTES_MAX && pair.post(new Uint8Array(64 * 1024).fill(taken), lane)) {
    taken++;
  }
  assert(taken > 1 && taken * 64 * 1024 <= LANE_BYTES_MAX, `${taken} frames of 64 KiB were taken`);
  await pair.peer.posted(taken);
  await pair.until(() => pair.post(Uint8Array.of(255), lane));
  await pair.peer.posted(taken + 1);
  assert.deepEqual(
    pair.peer.frames.map(({ frame }) => frame[0]),
    [...Array.from({ length: taken }, (_, i) => i % 256), 255],
  );
}

async function assertBulkApart(pair: TransportPair): Promise<void> {
  pair.peer.script = answer;
  await pair.open('live');
  await pair.send(question());
  const before = pair.relay.connections;
  await pair.open('bulk');
  assert.equal(pair.relay.connections, before + 1, 'Bulk has no connection of its own.');
  const release = pair.relay.holdNewest();
  let taken = 0;
  for (let refused = 0; refused < 20;) {
    if (pair.post(new Uint8Array(256 * 1024), 'bulk')) {
      taken++;
    } else {
      refused++;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  assert.equal(pair.post(Uint8Array.of(1), 'live'), true);
  await pair.peer.until(() => pair.peer.frames.some(({ frame }) => frame.length === 1));
  await pair.send(question());
  assert(pair.peer.frames.length <= taken, 'What was held came.');
  release();
  await pair.peer.posted(taken + 1);
}

function numbered(number: number): Uint8Array {
  return Uint8Array.of(number >> 8, number & 0xff);
}

function numberOf(frame: Uint8Array): number {
  return (frame[0]! << 8) | frame[1]!;
}
