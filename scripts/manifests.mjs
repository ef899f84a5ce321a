/** Writes deploy/kubernetes/app.yaml, the chart without Helm: `npm run manifests`. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HELM, installChartTools } from './chart-tools.mjs';
import { main, ROOT, ScriptError } from './workspace.mjs';

export const MANIFESTS = join(ROOT, 'deploy/kubernetes/app.yaml');

const HEAD = `# A NestJS application on nestjs-dkv without Helm. Made from the chart in deploy/helm by \`npm run manifests\`, with
# deploy/kubernetes/values.yaml: change those, not this file. docs/kubernetes.md says what to do with it.
`;

/** The file as text. `helm`: the path of its binary. */
export function renderManifests(helm) {
  const args = [
    'template',
    'app',
    join(ROOT, 'deploy/helm'),
    '-f',
    join(ROOT, 'deploy/kubernetes/values.yaml'),
  ];
  // Hooks are of Helm alone: what they do, docs/kubernetes.md does by hand.
  const rendered = execFileSync(helm, [...args, '--no-hooks'], { encoding: 'utf8' });
  const lines = rendered
    .split('\n')
    .filter((line) => !/^ *(# Source:|app.kubernetes.io\/managed-by:|helm.sh\/)/.test(line));
  return HEAD + lines.map((line) => line.trimEnd()).join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    const missing = await installChartTools();
    if (missing.length > 0) {
      throw new ScriptError(`${missing.join(', ')} cannot be installed here.`);
    }
    writeFileSync(MANIFESTS, renderManifests(HELM));
  });
}
