/**
 * The Dockerfile, step by step in folders: no engine of Docker built an image for this. What comes out runs as its user on a file
 * system that it cannot write to, but for its volume.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pickFreePorts } from '../e2e/free-ports.js';
import { until } from '../e2e/until.js';
import { instructionsIn, type PlayedImage, playDockerfile } from './dockerfile-steps.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCKERFILE = join(ROOT, 'deploy/docker/Dockerfile');
/** Twice all packages are installed, and then removed: a disk that others use too takes minutes. */
const STEPS_MS = 1_200_000;
const folder = mkdtempSync(join(tmpdir(), 'dkv-image-'));
// The user of the image goes through it.
chmodSync(folder, 0o755);
let image: PlayedImage;
let child: ChildProcess | undefined;

beforeAll(() => {
  image = playDockerfile(DOCKERFILE, ROOT, folder);
}, STEPS_MS);
afterAll(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}, STEPS_MS);

const filesIn = (path: string) => readdirSync(join(image.root, path), { recursive: true, encoding: 'utf8' });

describe('the image', () => {
  it('has what runs, and neither tests nor tools', () => {
    expect(existsSync(join(image.folder, 'node_modules/nestjs-dkv/dist/src/index.js'))).toBe(true);
    expect(
      ['eslint', 'vitest', 'prettier'].filter((name) => existsSync(join(image.folder, 'node_modules', name))),
    ).toEqual([]);
    const own = [...filesIn('app/libs'), ...filesIn('app/apps')];
    expect(own.filter((name) => /\.spec\.|(^|\/)(src|testing)\/[^.]*\.ts$/.test(name))).toEqual([]);
  });

  it('has the storage engine for glibc and for musl', () => {
    const binaries = filesIn('app/node_modules/classic-level/prebuilds/linux-x64');
    expect(binaries.sort()).toEqual(['classic-level.musl.node', 'classic-level.node']);
  });

  it('is left by no step as root', () => {
    const names = instructionsIn(DOCKERFILE).map(({ name }) => name);
    expect(names.lastIndexOf('USER')).toBeGreaterThan(names.lastIndexOf('RUN'));
    expect(image.user).toBe('1000:1000');
    expect(image.ports).toEqual([3000, 7000]);
  });

  it('has dkv as a command', () => {
    const told = execFileSync('dkv', ['--version'], { env: { ...image.env }, encoding: 'utf8' });
    expect(told.trim()).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('runs as its user, writes to its volume alone, and stops when it is told', async () => {
    const [port, peerPort] = await pickFreePorts(2);
    const [uid, gid] = image.user.split(':').map(Number);
    const [command, ...args] = image.command;
    const started = spawn(command!, args, {
      cwd: image.folder,
      env: { ...image.env, HOST: '127.0.0.1', PORT: String(port), DKV_PEER_PORT: String(peerPort) },
      // Only root may become somebody else; who is not, is somebody else than the owner of nothing.
      ...(process.getuid?.() === 0 && { uid, gid }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let log = '';
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
    }
    const url = `http://127.0.0.1:${port}`;
    const ready = () =>
      fetch(`${url}/health/ready`).then(
        ({ status }) => status === 200,
        () => false,
      );
    await until('the image to be ready', async () => started.exitCode !== null || (await ready()));
    expect([started.exitCode, log]).toEqual([null, log]);
    const put = { method: 'PUT', body: '{"total":12}', headers: { 'content-type': 'application/json' } };
    expect((await fetch(`${url}/items/cart-7`, put)).status).toBe(200);
    const ended = new Promise((resolve) => started.once('exit', (code) => resolve(code)));
    started.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(readdirSync(join(image.root, 'data'))).toEqual(['dkv']);
    expect(statSync(join(image.root, 'data/dkv')).uid).toBe(
      process.getuid?.() === 0 ? uid : process.getuid?.(),
    );
  });
});
