/** The built demo in few files instead of some two thousand: specs start hundreds of its processes, in two thirds of the time each. */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { DEMO_MAIN } from './demo-node.js';

const BUILT = fileURLToPath(new URL('../../apps/demo/dist/main.js', import.meta.url));

/** What loads binaries or files that lie beside it. */
const APART = /^(rocksdb|classic-level|msgpackr-extract|swagger-ui-dist)/;

/** Once before all specs, by the name that vitest looks for. As it is built, file by file, it runs in `start-script.spec.ts` and under chaos. */
export async function setup(): Promise<void> {
  const bundle = await rolldown({
    input: BUILT,
    platform: 'node',
    logLevel: 'silent',
    external: (id, importer) => APART.test(id) || !isInstalled(id, importer ?? BUILT),
  });
  await bundle.write({ dir: dirname(DEMO_MAIN), format: 'esm' });
  await bundle.close();
}

/** Nest asks for packages that nobody needs to have. */
function isInstalled(id: string, importer: string): boolean {
  try {
    return createRequire(importer).resolve(id) !== '';
  } catch {
    return /^[./]/.test(id);
  }
}
