/**
 * `npm run bench`: the store beside Redis, etcd and NATS, which it installs where it may; `npm run bench -- --help` tells the rest. BENCH_PREPARED=1 runs
 * what is built already.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { installServers } from './servers.mjs';
import { build, install, main, ROOT } from './workspace.mjs';

await main(async () => {
  if (!process.env.BENCH_PREPARED) {
    await install();
    await build();
    // What is absent then is named in the table.
    await installServers({ openssl: 'openssl' });
  }
  // In this process, not one of its own: Ctrl-C and signals reach who has to stop the rest.
  await import(pathToFileURL(join(ROOT, 'apps/bench/dist/main.js')).href);
});
