/** A process with a repository of its own, to be locked out by and to be killed: told what to do by its arguments. */
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
const { nodeRepo } = await import('./node-repo.ts');
const { stampRecord, stampTombstone } = await import('../../src/model/record.ts');
const { formatVersion } = await import('../../src/model/version.ts');

const WRITERS = 32;
const KEYS = 400;

const { identity, first, ...options } = JSON.parse(process.argv[2]);
// Not buffered: on Linux a pipe is written to at once, also when its reader is slow.
const say = (line) => process.stdout.write(`${line}\n`);
const logger = {
  log() {},
  warn: (message) => say(`warn ${message}`),
  error: (message) => say(`error ${message}`),
};

try {
  const repo = nodeRepo({ ...options, logger });
  await repo.open(identity);
  say(`open ${repo.metrics().engine}`);
  if (first === undefined) {
    // Holds the folder until it is killed.
    process.stdin.resume();
  } else {
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(repo, writer)));
  }
} catch (error) {
  say(`failed ${error.code} ${error.message}`);
}

/** Writes keys of its own, round after round, and says of each write when it was acknowledged. */
async function write(repo, writer) {
  for (let at = first; ; at++) {
    const key = `key-${(at * WRITERS + writer) % KEYS}`;
    const id = { partition: at % identity.partitions, namespace: 'default', key };
    const version = formatVersion({ physicalMs: at, counter: writer, nodeId: identity.nodeId, boot: 1 });
    const value = Buffer.alloc(at % 300, writer);
    const record =
      at % 4 === 0
        ? stampTombstone(id, version)
        : stampRecord({ namespace: 'default', key, version, tombstone: false, expiresAtMs: 0, value });
    // Two writers may share a key; the older write of the two is then left out.
    const stored = await repo.update(id, (current) =>
      current && current.version >= version ? undefined : record,
    );
    say(`ack ${id.partition} ${key} ${stored.version}`);
    await repo.addHint({ ...id, nodeId: 'other' });
    say(`hint ${id.partition} ${key}`);
  }
}
