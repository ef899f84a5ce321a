/** How the processes of the demo are numbered: what a node is told follows from its number, at its start and when it joins later. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ROOT, ScriptError } from './workspace.mjs';

/** Their ids end in one digit. */
export const NODES_MAX = 9;
export const HOST = process.env.HOST || '127.0.0.1';

/** Settings by environment: DEMO_PORT (3001) and DEMO_PEER_PORT (7001) are those of node1, DEMO_DATA_DIR (dkv-data) is of all. */
export function demoNodes(count) {
  const httpPort = firstPort('DEMO_PORT', 3001, count);
  const peerPort = firstPort('DEMO_PEER_PORT', 7001, count);
  return Array.from({ length: count }, (_, index) => ({
    id: `node${index + 1}`,
    host: HOST === '0.0.0.0' ? '127.0.0.1' : HOST,
    port: httpPort + index,
    peerPort: peerPort + index,
  }));
}

export function demoDataDir() {
  return resolve(process.env.DEMO_DATA_DIR || join(ROOT, 'dkv-data'));
}

/** Nodes after the first `count` that have a folder. */
export function furtherNodes(count) {
  const ids = Array.from({ length: NODES_MAX }, (_, index) => `node${index + 1}`);
  return ids.slice(count).filter((id) => existsSync(join(demoDataDir(), id)));
}

/** What every node is told that is not its own; the caller's environment goes before it. */
export function demoDefaults() {
  return {
    DKV_API_KEY: 'demo-api-key',
    DKV_ADMIN_KEY: 'demo-admin-key',
    DKV_STORAGE: 'auto',
    MONKEY_RATE: '10',
    // All are told to stop at once: what one asked of another just before still gets its answer.
    SHUTDOWN_DELAY_MS: '500',
  };
}

/** What one node is told of itself, and of the others. */
export function ownSettings({ id, port, peerPort }, nodes) {
  return {
    HOST,
    PORT: String(port),
    DKV_NODE_ID: id,
    DKV_PEER_PORT: String(peerPort),
    DKV_DATA_DIR: join(demoDataDir(), id),
    DKV_NODES: nodes.map((node) => `${node.id}=${node.host}:${node.peerPort}`).join(','),
  };
}

function firstPort(variable, otherwise, count) {
  const text = process.env[variable] || String(otherwise);
  const port = Number(text);
  if (!(/^\d+$/.test(text) && port >= 1 && port + count - 1 <= 65_535)) {
    throw new ScriptError(`${variable} is ${JSON.stringify(text)}: give a port from 1 to ${65_536 - count}.`);
  }
  return port;
}
