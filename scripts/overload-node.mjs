/** One node of the load test: an ordinary Nest application that loads its own store as its parent asks. */
import 'reflect-metadata';
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { BytesCodec, Dkv, DkvModule, StaticDiscovery } from 'nestjs-dkv';

const KEYS = 20_000;
const TICK_MS = 10;
const VALUE = new Uint8Array(100).fill(7);
const quiet = { log() {}, warn() {}, error: (message) => console.error(message) };
const { NODE_ID, CLUSTER, DATA_DIR, MODE, TRANSPORT } = process.env;

const app = await NestFactory.createApplicationContext(
  DkvModule.forRoot({
    nodeId: NODE_ID,
    dataDir: DATA_DIR,
    discovery: StaticDiscovery.parse(CLUSTER),
    peerBind: '127.0.0.1',
    apiKey: 'only-for-the-load-test',
    codec: new BytesCodec(),
    mode: MODE,
    logger: quiet,
    ...(TRANSPORT && { transport: TRANSPORT }),
  }),
  { logger: false },
);
app.enableShutdownHooks();
const dkv = app.get(Dkv);
while (!dkv.metrics().ready || dkv.cluster().some(({ state }) => state !== 'up')) {
  await sleep(50);
}
process.send({ kind: 'ready' });
process.on('message', async (task) => {
  if (task.kind === 'stop') {
    await app.close();
    process.exit(0);
  }
  const result = task.kind === 'closed' ? await closed(task) : await open(task);
  process.send({ kind: 'done', result });
});

/** So many callers, each waiting for its answer. */
async function closed({ callers, seconds }) {
  const ends = performance.now() + seconds * 1000;
  let acknowledged = 0;
  const caller = async () => {
    while (performance.now() < ends) {
      try {
        await write();
        acknowledged++;
      } catch {
        await sleep(1);
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { acknowledged };
}

/** So many a second, whether answers come or not. */
async function open({ perSecond, seconds }) {
  const began = performance.now();
  const perSecondDone = new Array(seconds).fill(0);
  const refused = {};
  const tookMs = [];
  let offered = 0;
  let acknowledged = 0;
  let underWay = 0;
  const one = async () => {
    const asked = performance.now();
    underWay++;
    try {
      await write();
      const now = performance.now();
      const second = Math.floor((now - began) / 1000);
      if (second < seconds) {
        acknowledged++;
        perSecondDone[second]++;
      }
      if (tookMs.length < 100_000) {
        tookMs.push(now - asked);
      }
    } catch (error) {
      refused[error.code] = (refused[error.code] ?? 0) + 1;
    } finally {
      underWay--;
    }
  };
  for (let elapsedMs = 0; elapsedMs < seconds * 1000; elapsedMs = performance.now() - began) {
    const due = Math.floor((perSecond * elapsedMs) / 1000);
    for (; offered < due; offered++) {
      void one();
    }
    await sleep(TICK_MS);
  }
  while (underWay > 0) {
    await sleep(TICK_MS);
  }
  tookMs.sort((a, b) => a - b);
  return {
    offered,
    acknowledged,
    perSecond: perSecondDone,
    refused,
    p99Ms: tookMs[Math.floor(tookMs.length * 0.99)] ?? 0,
  };
}

function write() {
  return dkv.addOrUpdate(`key ${randomInt(KEYS)}`, VALUE);
}
