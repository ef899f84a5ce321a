/**
 * `npm start`: a cluster of three real processes on this machine, until Ctrl-C; `npm start -- --nodes 5`: of another number.
 * Settings by environment: DEMO_PORT (3001) and DEMO_PEER_PORT (7001), the first of as many ports each, DEMO_DATA_DIR
 * (dkv-data), MONKEY_RATE (10), and any variable of the application that is the same for all nodes. DEMO_DISCOVERY=dns, etcd or
 * service starts a server by which they find each other. DEMO_PREPARED=1 runs what is built already.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { startDiscovery } from './demo-discovery.mjs';
import { DemoProcesses } from './demo-processes.mjs';
import {
  demoDataDir,
  demoDefaults,
  demoNodes,
  furtherNodes,
  HOST,
  NODES_MAX,
  ownSettings,
} from './demo-settings.mjs';
import { build, install, main, say, ScriptError } from './workspace.mjs';

await main(async () => {
  const nodes = demoNodes(countOfNodes());
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

  const further = furtherNodes(nodes.length);
  if (further.length > 0) {
    say(
      `${demoDataDir()} has folders of ${further.join(', ')} as well. Those that are members are missing until they are started: ` +
        `NODE_ID=${further[0]} npm run -s demo:node\n`,
    );
  }
  const environment = { ...demoDefaults(), ...process.env };
  const discovery = await startDiscovery(process.env.DEMO_DISCOVERY, nodes);
  const processes = nodes.map((node) => ({
    ...node,
    env: {
      ...environment,
      ...ownSettings(node, nodes),
      ...(discovery && { ...discovery.env, DKV_CLUSTER_SIZE: String(nodes.length) }),
    },
  }));
  const cluster = new DemoProcesses(processes);
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
    say(`\nThe cluster is ready: ${urls}  (docs /docs; data in ${demoDataDir()}; Ctrl-C stops it)\n`);
  }
  process.exitCode = await cluster.ended();
  await discovery?.stop();
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

/** Of the arguments. */
function countOfNodes() {
  const wrong = `npm start -- --nodes 5: give a number from 1 to ${NODES_MAX}, or nothing for 3.`;
  let text;
  try {
    text = parseArgs({ options: { nodes: { type: 'string', default: '3' } } }).values.nodes;
  } catch (error) {
    throw new ScriptError(`${error.message.split('. ')[0]}. ${wrong}`);
  }
  if (!/^[1-9]$/.test(text)) {
    throw new ScriptError(`--nodes is ${JSON.stringify(text)}. ${wrong}`);
  }
  return Number(text);
}

async function assertFree(ports, variable) {
  for (const port of ports) {
    const { code } = await triedToListen(port);
    if (code === 'EADDRINUSE') {
      throw new ScriptError(
        `The port ${port} is taken by another process; nothing was started. Stop that process, or choose other ` +
          `ports: ${variable}=… is the first of ${ports.length}.`,
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
