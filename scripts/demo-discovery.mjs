/** What tells the processes of a demo cluster of each other, where that is not their list of nodes: a server of its own on this machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOnPath } from './servers.mjs';
import { ROOT, say, ScriptError } from './workspace.mjs';

const HOST = '127.0.0.1';
const ZONE = 'demo.internal';
const KINDS = {
  dns: { command: 'dnsmasq', package: 'dnsmasq-base', start: startDns },
  etcd: { command: 'etcd', package: 'etcd-server', start: startEtcd },
  service: { command: 'The service discovery', start: startServiceDiscovery },
};
const ATTACHED = join(ROOT, 'scripts/attached-process.mjs');
const POLL_MS = 50;
const POLLS_MAX = 400;

/**
 * Resolves when the server listens, with what the processes are told, and how it is stopped; undefined for none.
 * @param kind `dns`, `etcd` or `service`: a stand-in for the HTTP service discovery
 */
export async function startDiscovery(kind, nodes) {
  if (!kind) {
    return undefined;
  }
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (!known) {
    throw new ScriptError(
      `DEMO_DISCOVERY is ${JSON.stringify(kind)}: give one of ${Object.keys(KINDS).join(', ')}.`,
    );
  }
  if (known.package && !isOnPath(known.command)) {
    throw new ScriptError(
      `DEMO_DISCOVERY=${kind} needs the command ${known.command}, which is not there. On Debian: apt-get install ${known.package}`,
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'dkv-discovery-'));
  const port = await freePort();
  const { args, discovery } = await known.start({ port, nodes, folder });
  // Away from the terminal, as the nodes are: Ctrl-C is for this process, which stops it after them.
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true,
  });
  const stop = async () => {
    if (child.exitCode === null && child.kill('SIGTERM')) {
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  };
  await listening(child, port, known.command);
  say(`The nodes find each other by ${discovery}.`);
  return { env: { DKV_NODES: '', DKV_DISCOVERY: discovery }, stop };
}

function startDns({ port, nodes }) {
  const records = nodes.flatMap(({ id, host, peerPort }) => [
    `--srv-host=_peers._tcp.${ZONE},${id}.${ZONE},${peerPort}`,
    `--host-record=${id}.${ZONE},${host}`,
  ]);
  const only = [
    '--no-daemon',
    '--no-resolv',
    '--no-hosts',
    '--conf-file=/dev/null',
    '--log-facility=/dev/null',
  ];
  const args = [...only, '--bind-interfaces', `--listen-address=${HOST}`, `--port=${port}`, ...records];
  return { args: [ATTACHED, 'dnsmasq', ...args], discovery: `dns:_peers._tcp.${ZONE}@${HOST}:${port}` };
}

async function startEtcd({ port, folder }) {
  const [url, peerUrl] = [`http://${HOST}:${port}`, `http://${HOST}:${await freePort()}`];
  const args = [
    ['--name', 'demo'],
    ['--data-dir', folder],
    ['--listen-client-urls', url],
    ['--advertise-client-urls', url],
    ['--listen-peer-urls', peerUrl],
    ['--initial-advertise-peer-urls', peerUrl],
    ['--initial-cluster', `demo=${peerUrl}`],
    ['--log-level', 'error'],
  ].flat();
  return { args: [ATTACHED, 'etcd', ...args], discovery: `etcd:${url}` };
}

function startServiceDiscovery({ port }) {
  const args = [join(ROOT, 'scripts/service-discovery.mjs'), String(port)];
  return { args, discovery: `service:http://${HOST}:${port}` };
}

async function listening(child, port, command) {
  for (let polls = 0; polls < POLLS_MAX && child.exitCode === null; polls++) {
    if (await isListening(port)) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  child.kill('SIGKILL');
  throw new ScriptError(`${command} does not listen on port ${port} of ${HOST}.`);
}

function isListening(port) {
  return new Promise((resolve) => {
    const socket = createConnection(port, HOST);
    socket.once('connect', () => resolve(true) ?? socket.destroy());
    socket.once('error', () => resolve(false));
  });
}

async function freePort() {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}
