/**
 * `npm start`: a cluster of three real processes on this machine, until Ctrl-C. Settings by environment: DEMO_PORT
 * (3001) and DEMO_PEER_PORT (7001), the first of three ports each, DEMO_DATA_DIR (dkv-data), MONKEY_RATE (10), and
 * any variable of the application that is the same for all nodes. DEMO_PREPARED=1 runs what is built already.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { DemoProcesses } from './demo-processes.mjs';
import { build, install, main, ROOT, say, ScriptError } from './workspace.mjs';

const NODES = 3;
const HOST = process.env.HOST || '0.0.0.0';

await main(async () => {
  const httpPort = firstPort('DEMO_PORT', 3001);
  const peerPort = firstPort('DEMO_PEER_PORT', 7001);
  const nodes = Array.from({ length: NODES }, (_, index) => ({
    id: `node${index + 1}`,
    host: HOST === '0.0.0.0' ? '127.0.0.1' : HOST,
    port: httpPort + index,
    peerPort: peerPort + index,
  }));
  await assertFree(
    nodes.map(({ port }) => port),
    'DEMO_PORT',
  );
  await assertFree(
    nodes.map(({ peerPort }) => peerPort),
    'DEMO_PEER_PORT',
  );
  if (!process.env.DEMO_PREPARED) {
    await install();
    await build();
  }

  const dataDir = resolve(process.env.DEMO_DATA_DIR || join(ROOT, 'dkv-data'));
  const cluster = new DemoProcesses(
    nodes.map((node) => ({ ...node, env: environmentOf(node, nodes, dataDir) })),
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      say('\nStopping the nodes …');
      cluster.stop();
    });
  }
  stopWithNpm(cluster);
  cluster.start();
  if (await cluster.ready()) {
    const urls = nodes.map(({ host, port }) => `http://${host}:${port}`).join('  ');
    say(`\nThe cluster is ready: ${urls}  (docs /docs; data in ${dataDir}; Ctrl-C stops it)\n`);
  }
  process.exitCode = await cluster.ended();
});

/** A killed npm tells nobody: that this process or the shell above it got another parent is the only sign. */
function stopWithNpm(cluster) {
  const started = ancestors();
  if (process.env.npm_lifecycle_event) {
    setInterval(() => ancestors() === started || cluster.stop(), 1_000).unref();
  }
}

/** Parent and, where the system tells it, grandparent: npm runs a shell that runs this. */
function ancestors() {
  try {
    const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8');
    const [, grandparent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${process.ppid} ${grandparent}`;
  } catch {
    return `${process.ppid}`;
  }
}

function environmentOf({ id, port, peerPort }, nodes, dataDir) {
  return {
    DKV_API_KEY: 'demo-api-key',
    DKV_ADMIN_KEY: 'demo-admin-key',
    DKV_STORAGE: 'auto',
    MONKEY_RATE: '10',
    // All are told to stop at once: what one asked of another just before still gets its answer.
    SHUTDOWN_DELAY_MS: '500',
    ...process.env,
    HOST,
    PORT: String(port),
    DKV_NODE_ID: id,
    DKV_PEER_PORT: String(peerPort),
    DKV_DATA_DIR: join(dataDir, id),
    DKV_NODES: nodes.map((node) => `${node.id}=${node.host}:${node.peerPort}`).join(','),
  };
}

function firstPort(variable, otherwise) {
  const text = process.env[variable] || String(otherwise);
  const port = Number(text);
  if (!(/^\d+$/.test(text) && port >= 1 && port + NODES - 1 <= 65_535)) {
    throw new ScriptError(`${variable} is ${JSON.stringify(text)}: give a port from 1 to ${65_536 - NODES}.`);
  }
  return port;
}

async function assertFree(ports, variable) {
  for (const port of ports) {
    const { code } = await triedToListen(port);
    if (code === 'EADDRINUSE') {
      throw new ScriptError(
        `The port ${port} is taken by another process; nothing was started. Stop that process, or choose other ` +
          `ports: ${variable}=… is the first of ${NODES}.`,
      );
    } else if (code) {
      throw new ScriptError(
        `The port ${port} cannot be listened on at ${HOST}: ${code}. Nothing was started.`,
      );
    }
  }
}

/** The error of listening on a port, or an object without a code. */
function triedToListen(port) {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', done);
    server.listen(port, HOST, () => server.close(() => done({})));
  });
}
