/** The packages that an application may add to the library: large ones, so the workspace does not install them. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodeOf, ROOT, say } from './workspace.mjs';

/** Outside of the workspace's packages, ignored by Git. Vitest's project `integrations` has it in NODE_PATH. */
const FOLDER = join(ROOT, '.optional-packages');

/** Installs those that the library names as its optional peers, unless they are there; resolves with those that are absent all the same. */
export async function installOptionalPackages() {
  const wanted = optionalPeers();
  mkdirSync(FOLDER, { recursive: true });
  if (!isInstalled(wanted)) {
    say(`Installing ${Object.keys(wanted).join(', ')} (npm install) …`);
    writeFileSync(manifest(), textOf(wanted));
    const args = [
      'install',
      '--prefix',
      FOLDER,
      '--no-package-lock',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ];
    // npm is a script on Windows.
    const code = await exitCodeOf('npm', args, { cwd: FOLDER, shell: process.platform === 'win32' });
    return code === 0 && isInstalled(wanted) ? [] : Object.keys(wanted);
  }
  return [];
}

function optionalPeers() {
  const { peerDependencies, peerDependenciesMeta } = JSON.parse(
    readFileSync(join(ROOT, 'libs/dkv/package.json'), 'utf8'),
  );
  return Object.fromEntries(
    Object.entries(peerDependencies).filter(([name]) => peerDependenciesMeta[name]?.optional),
  );
}

/** npm notes what it installed, at its end. */
function isInstalled(wanted) {
  const noted = join(FOLDER, 'node_modules/.package-lock.json');
  return (
    existsSync(manifest()) &&
    readFileSync(manifest(), 'utf8') === textOf(wanted) &&
    existsSync(noted) &&
    statSync(noted).mtimeMs >= statSync(manifest()).mtimeMs
  );
}

const manifest = () => join(FOLDER, 'package.json');
const textOf = (dependencies) => `${JSON.stringify({ private: true, dependencies }, null, 2)}\n`;
