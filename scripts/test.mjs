/** `npm test`: installs and builds what is missing, runs every test, exits with their code. */
import { join } from 'node:path';
import { build, exitCodeOf, install, main, ROOT } from './workspace.mjs';

await main(async () => {
  await install();
  await build();
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  process.exitCode = await exitCodeOf(process.execPath, [vitest, 'run', ...process.argv.slice(2)]);
});
