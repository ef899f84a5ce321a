/** `npm run -s demo:node`: one process of the demo in the foreground, told by its environment what it is. */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { DEMO_MAIN, isInstalled, main, ScriptError } from './workspace.mjs';

await main(async () => {
  if (!isInstalled()) {
    throw new ScriptError('The dependencies are not installed. Run: npm ci && npm run build');
  }
  if (!existsSync(DEMO_MAIN)) {
    throw new ScriptError('The demo is not built. Run: npm run build');
  }
  // In this very process: signals and the exit code are the node's own.
  await import(pathToFileURL(DEMO_MAIN).href);
});
