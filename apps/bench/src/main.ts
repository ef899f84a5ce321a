/** `npm run bench`: runs the command, and stops and removes all that it started however it ends. */
import { readFile, writeFile } from 'node:fs/promises';
import { compare } from './compare.js';
import { type Options, parseOptions, USAGE, UsageError } from './options.js';
import { say, tellProgress } from './output.js';
import { Belongings } from './processes/belongings.js';
import { size } from './size.js';
import { profile } from './profile.js';
import { reportOf, type Results } from './report/results.js';

const belongings = new Belongings();
let interrupted = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (!interrupted) {
      interrupted = true;
      tellProgress('Stopping …');
      void belongings.end().finally(() => process.exit(130));
    }
  });
}
// Whoever read the output may be gone: what was started must be stopped all the same.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

try {
  await run(parseOptions(process.argv.slice(2)));
} catch (error) {
  if (!interrupted) {
    tellProgress(describe(error));
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
} finally {
  // Interrupted, the handler above ends the process once all is stopped.
  await belongings.end();
}

async function run(options: Options): Promise<void> {
  switch (options.command) {
    case 'help':
      return say(USAGE);
    case 'compare':
      return compare(options, belongings);
    case 'size':
      return size(options, belongings);
    case 'profile':
      return profile(options, belongings);
    case 'report':
      return writeFile(options.out, reportOf(JSON.parse(await readFile(options.json, 'utf8')) as Results));
  }
}

function describe(error: unknown): string {
  if (error instanceof UsageError) {
    return error.message;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
