/** Answers that come in a burst: all of them count, also when the connection ends right behind them. */
import { expect, it } from 'vitest';
import { listenRaw } from '../../../testing/transport/raw-stream.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { ANSWERING, question } from '../../../testing/transport/samples.js';
import { SimRandom } from '../../../testing/simulation/sim-random.js';
import { FRAME, FRAMES_PER_TURN } from './frame-layout.js';
import { socketSink } from './batch.js';
import { FrameReceiver } from './frame-receiver.js';
import { FrameSender } from './frame-sender.js';
import { answerFrame } from './outgoing.js';
import { StreamRemoteKvRepo } from './stream-remote-kv-repo.js';

const COUNT = 5 * FRAMES_PER_TURN;

it.each(['leaves', 'stays'])('come one and all when the peer %s', async (what) => {
  const { port, server } = await listenRaw((socket) => {
    const ids: number[] = [];
    const receiver = new FrameReceiver({
      takes: FRAME.REQUEST,
      admits: () => true,
      incoming: ({ id }) => void ids.push(id),
    });
    socket.on('data', (data: Buffer) => {
      receiver.receive(data);
      if (ids.length === COUNT) {
        const sender = new FrameSender((task) => task());
        for (const id of ids) {
          sender.add(answerFrame(id, { kind: 'get', ...ANSWERING, answer: { record: undefined } }));
        }
        // At once, and nothing after them.
        sender.open(socketSink(socket));
        if (what === 'leaves') {
          socket.end();
        }
      }
    });
  });
  const remote = new StreamRemoteKvRepo(new ManualClock(), new SimRandom(1), {
    nodeId: 'node-a.0',
    apiKey: 'the key',
    valueBytesMax: 1000,
  });
  const to = { nodeId: ANSWERING.from, host: '127.0.0.1', port, weight: 1, zone: '' };
  try {
    const sent = Array.from({ length: COUNT }, () => remote.send(to, question(), { timeoutMs: 5000 }));
    const outcomes = await Promise.allSettled(sent);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
  } finally {
    await remote.close();
    server.close();
  }
});
