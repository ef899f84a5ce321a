/** What a command prints: its result on stdout, how far it is on stderr. */
import { type Filling, type Subject } from './processes/subject.js';
import { short, valueSize, whole } from './report/number-format.js';

const PROGRESS_EVERY_MS = 2_000;

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function tellProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Fills a store, telling how far it is. */
export function fillTelling(subject: Subject, filling: Filling): Promise<void> {
  const what = `${subject.name}: ${valueSize(filling.valueBytes)} values, keys ${filling.place}`;
  return writeTelling(what, filling.keys - (filling.from ?? 0), (onWritten) =>
    subject.fill(filling, onWritten),
  );
}

/** Tells how far what writes `total` keys is. */
export async function writeTelling(
  what: string,
  total: number,
  write: (onWritten: (count: number) => void) => Promise<void>,
): Promise<void> {
  const began = performance.now();
  let written = 0;
  let told = began;
  await write((count) => {
    written += count;
    const now = performance.now();
    if (now - told >= PROGRESS_EVERY_MS) {
      told = now;
      const perSecond = (1000 * written) / (now - began);
      const left = (total - written) / perSecond;
      tellProgress(
        `  ${what}: ${whole(written)} of ${whole(total)} written, ${whole(perSecond)}/s, ${whole(left)} s left`,
      );
    }
  });
  if (written > 0) {
    tellProgress(`  ${what}: ${whole(written)} written in ${short((performance.now() - began) / 1000)} s`);
  }
}
