/** What the integrations install beside the workspace: packages that an application may add, and applications to install ours into. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodeOf, ROOT, say } from './workspace.mjs';

/** Outside of the workspace's packages, ignored by Git. Vitest's project `integrations` has it in NODE_PATH. */
const FOLDER = join(ROOT, '.optional-packages');

/**
 * Applications as the command line of Nest makes them, into which `test/integrations/packed.spec.ts` installs the library. Away
 * from the workspace, whose own packages they would find.
 */
export const APPLICATIONS_FOLDER = join(tmpdir(), `dkv-applications${ROOT.replaceAll(/[^a-z0-9]+/gi, '-')}`);
const NEST_11 = {
  '@nestjs/common': '^11.1.0',
  '@nestjs/core': '^11.1.0',
  '@types/node': '^22.0.0',
  'reflect-metadata': '^0.2.2',
  rxjs: '^7.8.1',
  typescript: '~5.9.0',
};
const NEST_12 = {
  ...NEST_11,
  '@nestjs/common': '^12.5.0',
  '@nestjs/core': '^12.5.0',
  '@types/node': '^24.0.0',
  typescript: '~6.0.0',
};
const APPLICATIONS = {
  'nest-11-express': { ...NEST_11, '@nestjs/platform-express': '^11.1.0', '@types/express': '^5.0.0' },
  'nest-11-fastify': { ...NEST_11, '@nestjs/platform-fastify': '^11.1.0', '@nestjs/terminus': '^11.0.0' },
  'nest-12-express': { ...NEST_12, '@nestjs/platform-express': '^12.5.0', '@types/express': '^5.0.0' },
  'nest-12-fastify': { ...NEST_12, '@nestjs/platform-fastify': '^12.5.0', '@nestjs/terminus': '^12.1.0' },
};
const PACKAGE_CHECKS = { '@arethetypeswrong/cli': '^0.18.5', publint: '^0.3.25' };

/** Installs what is absent; resolves with what is absent all the same. */
export async function installOptionalPackages() {
  const missing = await installInto(FOLDER, optionalPeers());
  const others = Object.entries({ ...APPLICATIONS, 'package-checks': PACKAGE_CHECKS });
  for (const [name, dependencies] of others) {
    missing.push(...(await installInto(join(APPLICATIONS_FOLDER, name), dependencies)));
  }
  return missing;
}

/** Optional peers of the library that the workspace has not: large ones. */
function optionalPeers() {
  const { peerDependencies, peerDependenciesMeta } = JSON.parse(
    readFileSync(join(ROOT, 'libs/dkv/package.json'), 'utf8'),
  );
  return Object.fromEntries(
    Object.entries(peerDependencies).filter(
      ([name]) => peerDependenciesMeta[name]?.optional && !existsSync(join(ROOT, 'node_modules', name)),
    ),
  );
}

/** The names that cannot be installed into the folder; none where all are there. */
export async function installInto(folder, dependencies) {
  mkdirSync(folder, { recursive: true });
  const names = Object.keys(dependencies);
  if (isInstalled(folder, dependencies)) {
    return [];
  }
  say(`Installing ${names.join(', ')} (npm install) …`);
  writeFileSync(join(folder, 'package.json'), textOf(dependencies));
  const args = [
    'install',
    '--prefix',
    folder,
    '--no-package-lock',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  // npm is a script on Windows.
  const code = await exitCodeOf('npm', args, { cwd: folder, shell: process.platform === 'win32' });
  return code === 0 && isInstalled(folder, dependencies) ? [] : names;
}

/** npm notes what it installed, at its end. */
function isInstalled(folder, dependencies) {
  const [manifest, noted] = [join(folder, 'package.json'), join(folder, 'node_modules/.package-lock.json')];
  return (
    existsSync(manifest) &&
    readFileSync(manifest, 'utf8') === textOf(dependencies) &&
    existsSync(noted) &&
    statSync(noted).mtimeMs >= statSync(manifest).mtimeMs
  );
}

const textOf = (dependencies) => `${JSON.stringify({ private: true, dependencies }, null, 2)}\n`;
