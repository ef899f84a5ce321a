/** Brings the workspace to where its processes can run: dependencies installed, code built. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** The built demo application. */
export const DEMO_MAIN = join(ROOT, 'apps/demo/dist/main.js');

/** A failure that its message explains: printed without a stack. */
export class ScriptError extends Error {}

/** Whether the installed packages are those of the lock file: npm notes what it installed, and when. */
export function isInstalled() {
  const noted = join(ROOT, 'node_modules/.package-lock.json');
  return existsSync(noted) && statSync(noted).mtimeMs >= statSync(join(ROOT, 'package-lock.json')).mtimeMs;
}

/** Installs what the lock file says, unless it is there. */
export async function install() {
  assertNodeVersion();
  if (!isInstalled()) {
    say('Installing dependencies (npm ci) …');
    await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], 'Installing the dependencies');
  }
}

/** Compiles what changed; takes about a second when nothing did. */
export async function build() {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  if (!existsSync(DEMO_MAIN)) {
    say('Building …');
    // What tsc notes about a build outlives a deleted output; without this it would find everything up to date.
    await run(process.execPath, [tsc, '-b', '--force'], 'The build');
  } else {
    await run(process.execPath, [tsc, '-b'], 'The build');
  }
}

/** Runs the script's work; a ScriptError ends the process with its message alone. */
export async function main(work) {
  // Whoever read the output may be gone, as in `npm start | head`: the work goes on.
  process.stdout.on('error', () => {});
  try {
    await work();
  } catch (error) {
    process.stderr.write(`${error instanceof ScriptError ? error.message : error.stack}\n`);
    process.exit(1);
  }
}

export function say(line) {
  process.stdout.write(`${line}\n`);
}

function assertNodeVersion() {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const [needed, have] = [engines.node, process.versions.node].map((text) => text.match(/\d+/g).map(Number));
  const difference = needed.map((part, index) => have[index] - part).find((part) => part !== 0) ?? 0;
  if (difference < 0) {
    throw new ScriptError(`Node ${process.versions.node} is too old: this needs ${engines.node}.`);
  }
}

/** The exit code of a command that takes over the terminal. */
export function exitCodeOf(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal ? 1 : code));
  });
}

async function run(command, args, what) {
  // npm is a script on Windows.
  const code = await exitCodeOf(command, args, { shell: process.platform === 'win32' && command === 'npm' });
  if (code !== 0) {
    throw new ScriptError(`${what} failed (${command} ended with code ${code}); the lines above say why.`);
  }
}
