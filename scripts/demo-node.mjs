/**
 * `npm run -s demo:node`: one process of the demo in the foreground, told by its environment what it is. With
 * `NODE_ID=node4` all follows from the number, as for the nodes of `npm start`: it joins that cluster, or comes back to it.
 */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { demoDefaults, demoNodes, NODES_MAX, ownSettings } from './demo-settings.mjs';
import { DEMO_MAIN, isInstalled, main, ScriptError } from './workspace.mjs';

await main(async () => {
  if (process.env.NODE_ID) {
    for (const [variable, value] of Object.entries(settingsOf(process.env.NODE_ID))) {
      process.env[variable] ||= value;
    }
  }
  if (!isInstalled()) {
    throw new ScriptError('The dependencies are not installed. Run: npm ci && npm run build');
  }
  if (!existsSync(DEMO_MAIN)) {
    throw new ScriptError('The demo is not built. Run: npm run build');
  }
  // In this very process: signals and the exit code are the node's own.
  await import(pathToFileURL(DEMO_MAIN).href);
});

/** Those that are set already go before. */
function settingsOf(id) {
  const number = Number(/^node([1-9])$/.exec(id)?.[1]);
  if (!number) {
    throw new ScriptError(
      `NODE_ID is ${JSON.stringify(id)}: give node1 to node${NODES_MAX}, whose ports and folder follow from the number. ` +
        'For another name leave NODE_ID out, and set DKV_NODE_ID, PORT, DKV_NODES, DKV_API_KEY and DKV_DATA_DIR.',
    );
  }
  const { DKV_NODE_ID } = process.env;
  if (DKV_NODE_ID && DKV_NODE_ID !== id) {
    throw new ScriptError(
      `NODE_ID is ${JSON.stringify(id)} and DKV_NODE_ID is ${JSON.stringify(DKV_NODE_ID)}: set one of the two.`,
    );
  }
  const nodes = demoNodes(number);
  return { ...demoDefaults(), ...ownSettings(nodes.at(-1), nodes) };
}
