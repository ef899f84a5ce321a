/**
 * `npm run pack [-- --out=<folder>]`: makes the tarball of the library that `npm publish <tarball>` publishes, in this folder if none
 * is named, and prints its path on the last line. It holds what the library's entries reach, the documents, and the chart.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { exitCodeOf, main, ROOT, say, ScriptError } from './workspace.mjs';

const LIBRARY = join(ROOT, 'libs/dkv');

await main(async () => {
  const [argument = '--out=.', ...others] = process.argv.slice(2);
  const out = argument.match(/^--out=(.+)$/)?.[1];
  if (out === undefined || others.length > 0) {
    throw new ScriptError('Usage: npm run pack [-- --out=<folder>]');
  }
  const staging = mkdtempSync(join(tmpdir(), 'dkv-pack-'));
  try {
    await compile(join(staging, 'dist'));
    stage(staging);
    const tarball = pack(staging, resolve(out));
    say(`${Math.round(statSync(tarball).size / 1024)} KB`);
    say(tarball);
  } finally {
    rmSync(staging, { recursive: true });
  }
});

async function compile(outDir) {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const code = await exitCodeOf(process.execPath, [
    tsc,
    '-p',
    join(LIBRARY, 'tsconfig.package.json'),
    '--outDir',
    outDir,
  ]);
  if (code !== 0) {
    throw new ScriptError('The library does not compile; the lines above say why.');
  }
}

function stage(staging) {
  const manifest = JSON.parse(readFileSync(join(LIBRARY, 'package.json'), 'utf8'));
  // Private in the workspace, so that nobody publishes from there what this leaves out.
  delete manifest.private;
  writeFileSync(join(staging, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const file of ['README.md', 'CHANGELOG.md', 'LICENSE']) {
    cpSync(join(ROOT, file), join(staging, file));
  }
  cpSync(join(ROOT, 'docs'), join(staging, 'docs'), {
    recursive: true,
    filter: (path) => !path.endsWith('.json'),
  });
  // The values of the tests are no users'.
  cpSync(join(ROOT, 'deploy'), join(staging, 'deploy'), {
    recursive: true,
    filter: (path) => !path.endsWith('/helm/ci'),
  });
}

function pack(staging, out) {
  mkdirSync(out, { recursive: true });
  const npm = ['pack', '--json', '--loglevel=error', '--pack-destination', out];
  // npm is a script on Windows.
  const told = execFileSync('npm', npm, {
    cwd: staging,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  return join(out, JSON.parse(told)[0].filename);
}
