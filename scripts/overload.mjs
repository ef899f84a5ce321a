/**
 * `npm run overload`: three nodes on RocksDB as processes, the most they sustain, then five times as much, then half.
 * Prints what was acknowledged each second. OVERLOAD_PREPARED=1 runs what is built already.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, install, main, say } from './workspace.mjs';

const NODE_SCRIPT = fileURLToPath(new URL('overload-node.mjs', import.meta.url));
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    times: { type: 'string', default: '5' },
    mode: { type: 'string', default: 'strong' },
    transport: { type: 'string', default: '' },
  },
});

await main(async () => {
  if (!process.env.OVERLOAD_PREPARED) {
    await install();
    await build();
  }
  const folder = mkdtempSync(join(tmpdir(), 'dkv-overload-'));
  const nodes = await startNodes(folder);
  try {
    await run(nodes, Number(values.seconds), Number(values.times));
  } finally {
    await Promise.all(nodes.map(stop));
    rmSync(folder, { recursive: true, force: true });
  }
});

async function startNodes(folder) {
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const cluster = ports.map((port, index) => `node${index + 1}=127.0.0.1:${port}`).join();
  const nodes = ports.map((_, index) =>
    fork(NODE_SCRIPT, [], {
      env: {
        ...process.env,
        NODE_ID: `node${index + 1}`,
        CLUSTER: cluster,
        DATA_DIR: join(folder, `node${index + 1}`),
        MODE: values.mode,
        TRANSPORT: values.transport,
      },
    }),
  );
  await Promise.all(nodes.map((node) => answerOf(node, 'ready')));
  return nodes;
}

async function run(nodes, seconds, times) {
  const peak = await closedLoop(nodes, seconds);
  say(
    `Sustainable: ${peak} writes/s acknowledged, 3 × 64 callers that wait for their answers, ${seconds} s.`,
  );
  const over = await openLoop(nodes, times * peak, seconds);
  print(`${times} × as much offered (${times * peak} writes/s)`, over, peak);
  const after = await openLoop(nodes, Math.round(peak / 2), seconds);
  print(`half as much offered (${Math.round(peak / 2)} writes/s)`, after, peak);
  const recovered = after.perSecond.findIndex((count) => count >= 0.9 * (peak / 2));
  say(
    recovered < 0
      ? `It did not recover within ${seconds} s.`
      : `Recovered in second ${recovered + 1}: 90 % of what is offered is acknowledged.`,
  );
}

async function closedLoop(nodes, seconds) {
  const results = await ask(nodes, { kind: 'closed', callers: 64, seconds });
  return Math.round(results.reduce((sum, { acknowledged }) => sum + acknowledged, 0) / seconds);
}

async function openLoop(nodes, perSecond, seconds) {
  const results = await ask(nodes, { kind: 'open', perSecond: perSecond / nodes.length, seconds });
  const sum = (field) => results.reduce((total, result) => total + result[field], 0);
  const codes = {};
  for (const { refused } of results) {
    Object.entries(refused).forEach(([code, count]) => (codes[code] = (codes[code] ?? 0) + count));
  }
  const perSecondAll = results[0].perSecond.map((_, second) =>
    results.reduce((total, result) => total + (result.perSecond[second] ?? 0), 0),
  );
  return {
    offered: sum('offered'),
    acknowledged: sum('acknowledged'),
    codes,
    perSecond: perSecondAll,
    p99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
  };
}

function print(what, { offered, acknowledged, codes, perSecond, p99Ms }, peak) {
  const rate = Math.round(acknowledged / perSecond.length);
  say(
    `${what}: ${offered} offered, ${rate} writes/s acknowledged = ${Math.round((100 * rate) / peak)} % of the peak, p99 ${Math.round(p99Ms)} ms`,
  );
  say(`  each second: ${perSecond.join(' ')}`);
  say(`  turned away: ${JSON.stringify(codes)}`);
}

function ask(nodes, task) {
  return Promise.all(
    nodes.map(async (node) => {
      const answer = answerOf(node, 'done');
      node.send(task);
      return (await answer).result;
    }),
  );
}

function answerOf(node, kind) {
  return new Promise((resolve, reject) => {
    const onMessage = (message) => {
      if (message.kind === kind) {
        node.off('message', onMessage);
        resolve(message);
      }
    };
    node.on('message', onMessage);
    node.once('exit', (code) => reject(new Error(`A node ended with code ${code}.`)));
  });
}

function stop(node) {
  return new Promise((resolve) => {
    if (node.exitCode !== null || node.signalCode !== null) {
      resolve();
      return;
    }
    node.once('exit', resolve);
    node.send({ kind: 'stop' });
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
