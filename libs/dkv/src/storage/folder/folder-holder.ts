/** Who has a data folder open: a note for people, beside the files that the engine's lock is on. The lock alone decides. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Clock } from '../../ports/clock.js';
import { PRIVATE_FILE } from './private-files.js';

const NOTE = 'held-by';

/** Called by whoever has the lock; what it cannot write is not there to mislead. */
export async function noteHolder(folder: string, clock: Clock): Promise<void> {
  const path = join(folder, NOTE);
  const since = new Date(clock.now()).toISOString();
  try {
    await writeFile(path, `process ${process.pid} on ${hostname()}, since ${since}\n`, {
      mode: PRIVATE_FILE,
    });
  } catch {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

/** Process, machine and time of the last to note itself; undefined where nobody did. */
export async function holderOf(folder: string): Promise<string | undefined> {
  const note = await readFile(join(folder, NOTE), 'utf8').catch(() => '');
  return /^process \d+ on [^\s,]{1,255}, since [-\dT:.]+Z$/m.exec(note)?.[0];
}
