/**
 * `npm run members -- --keys 100000`: three real nodes become five, are restarted one by one, lose a disk and a node, and are three
 * again, under a load, with figures of what callers notice and what moves. MEMBERS_PREPARED=1 runs what is built already.
 */
import { register } from 'node:module';
import { build, install, main, say } from './workspace.mjs';

await main(async () => {
  if (!process.env.MEMBERS_PREPARED) {
    await install();
    await build();
  }
  // Node 20 knows no TypeScript, and the harness is no part of what is built.
  register('../libs/dkv/testing/local-kv/typescript-hooks.mjs', import.meta.url);
  const { runCommand } = await import('../test/members/main.ts');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => process.exit(130));
  }
  process.exit(await runCommand(process.argv.slice(2), say));
});
