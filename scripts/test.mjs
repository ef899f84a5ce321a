/**
 * `npm test`: every spec of ours; `npm run test:unit`: those of the daily loop; `npm run test:integrations`: those that
 * need servers or optional packages. Installs and builds what is missing and exits with the code of the tests; further arguments are vitest's.
 */
import { join } from 'node:path';
import { installChartTools } from './chart-tools.mjs';
import { APPLICATIONS_FOLDER, installOptionalPackages } from './optional-packages.mjs';
import { installServers } from './servers.mjs';
import { build, exitCodeOf, install, main, ROOT, ScriptError } from './workspace.mjs';

const [, , only = '', ...rest] = process.argv;
const named = only.match(/^--only=(unit|integrations)$/)?.[1];

await main(async () => {
  await install();
  // Only processes of ours run what is built; the other specs take the sources.
  if (named !== 'unit') {
    await build();
  }
  if (named === 'integrations') {
    const missing = [
      ...(await installServers({ openssl: 'openssl', dnsmasq: 'dnsmasq-base', promtool: 'prometheus' })),
      ...(await installOptionalPackages()),
      ...(await installChartTools()),
    ];
    if (missing.length > 0) {
      throw new ScriptError(
        `*** THE INTEGRATIONS WERE NOT TESTED: ${missing.join(', ')} cannot be installed here.`,
      );
    }
    process.env.DKV_APPLICATIONS = APPLICATIONS_FOLDER;
  }
  const projects = (named ? [named] : ['unit', 'slow']).map((name) => `--project=${name}`);
  const others = named ? rest : process.argv.slice(2);
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  process.exitCode = await exitCodeOf(process.execPath, [vitest, 'run', ...projects, ...others]);
});
