/**
 * `npm run chaos -- --minutes 10`: three real processes under kill -9, SIGSTOP, a full disk and cut links, and every
 * answer judged. Root on Linux can do all of it. CHAOS_PREPARED=1 runs what is built already.
 */
import { register } from 'node:module';
import { build, install, main, say } from './workspace.mjs';

await main(async () => {
  if (!process.env.CHAOS_PREPARED) {
    await install();
    await build();
  }
  // Node 20 knows no TypeScript, and the harness is no part of what is built.
  register('../libs/dkv/testing/local-kv/typescript-hooks.mjs', import.meta.url);
  const { runCommand } = await import('../test/chaos/main.ts');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => process.exit(130));
  }
  process.exit(await runCommand(process.argv.slice(2), say));
});
