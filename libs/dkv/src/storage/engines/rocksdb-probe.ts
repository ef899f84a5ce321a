/** Finds out in a child process whether RocksDB runs: where its binding does not fit Node, it aborts the process. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { resolveRocksdb } from './rocksdb-store-engine.js';

/** What a killed probe leaves behind begins like this. */
export const PROBE_PREFIX = '.rocksdb-probe-';

const PROBE_TIMEOUT_MS = 20_000;

/** Opens, writes, reads, iterates and closes; the prebuilt binding aborts in one of these or never. */
const SCRIPT = `
const [location, folder] = process.argv.slice(1);
const store = require(location)(folder);
const key = Buffer.from('key');
const step = (next) => (error, result) => {
  if (error) throw error;
  next(result);
};
store.open({}, step(() =>
  store.batch([{ type: 'put', key, value: Buffer.alloc(100) }], { sync: true }, step(() =>
    store.getMany([key], {}, step(([value]) => {
      if (value.length !== 100) throw new Error('read ' + value.length + ' bytes');
      const iterator = store.iterator({});
      iterator.next(step(() => iterator.end(step(() => store.close(step(() => console.log('runs')))))));
    }))))));
`;

let outcome: Promise<string | undefined> | undefined;

/**
 * Why RocksDB does not run in processes like this one, or undefined when it does. Tried once per process, below
 * `folder`: on a pod with a read-only root the data folder may be the only place to write to. Takes some 0.2 s.
 */
export function probeRocksdb(folder: string): Promise<string | undefined> {
  outcome ??= probe(folder);
  return outcome;
}

async function probe(folder: string): Promise<string | undefined> {
  let location: string;
  try {
    location = resolveRocksdb();
  } catch {
    return 'the rocksdb package is not installed';
  }
  return probeBinding(location, folder);
}

/** Why the binding at `location` does not run, tried in a folder of its own below `folder`; undefined when it does. */
export async function probeBinding(
  location: string,
  folder: string,
  timeoutMs = PROBE_TIMEOUT_MS,
): Promise<string | undefined> {
  // The child runs in another folder than this process.
  const place = await mkdtemp(join(resolve(folder), PROBE_PREFIX));
  const options = {
    // A core dump of the abort would land here, and go with the folder.
    cwd: place,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    env: { ...process.env, NODE_OPTIONS: '' },
  } as const;
  const args = ['-e', SCRIPT, location, join(place, 'store')];
  try {
    return await new Promise((resolve) => {
      execFile(process.execPath, args, options, (error, stdout, stderr) => {
        const runs = !error && stdout.includes('runs');
        resolve(runs ? undefined : reasonOf(error, stderr, timeoutMs));
      });
    });
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

type ExecError = Error & { readonly killed?: boolean; readonly signal?: NodeJS.Signals | null };

function reasonOf(error: ExecError | null, stderr: string, timeoutMs: number): string {
  if (error?.killed) {
    return `its probe had not ended after ${timeoutMs} ms`;
  }
  const said = stderr.split('\n').find((line) => /^\s*(\w*Error:|terminate|what\(\))/.test(line));
  const detail = said === undefined ? '' : `: ${said.trim().slice(0, 200)}`;
  return error?.signal
    ? `its binding ends the process with ${error.signal} on Node ${process.version}${detail}`
    : `its binding fails on Node ${process.version}${detail}`;
}
