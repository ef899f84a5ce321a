/** The path of docs/getting-started.md as a stranger goes it: from `nest new` to three processes with health and metrics. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { pickFreePorts } from '../e2e/free-ports.js';
import { until } from '../e2e/until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const guide = readFileSync(join(ROOT, 'docs/getting-started.md'), 'utf8');
const run = promisify(execFile);
const shell = process.platform === 'win32';
const folder = mkdtempSync(join(tmpdir(), 'dkv-first-hour-'));
const home = join(folder, 'carts');
const processes: ChildProcess[] = [];

afterAll(() => {
  processes.forEach((child) => child.kill('SIGKILL'));
  // Some may still be writing.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

/** Each file of the guide: its name stands before the block. */
function* filesOfTheGuide(): Generator<[name: string, text: string]> {
  let name: string | undefined;
  for (const [, named, text] of guide.matchAll(/`([a-z.]+\.ts)`|^```ts\n([^]*?)^```/gm)) {
    if (named !== undefined) {
      name = named;
    } else if (name !== undefined) {
      yield [name, text!];
      name = undefined;
    }
  }
}

it('leads from nothing to three nodes, one of which may die', { timeout: 900_000 }, async () => {
  const beganMs = performance.now();
  // npx @nestjs/cli new carts
  const nest = join(ROOT, 'node_modules/.bin/nest');
  await run(nest, ['new', 'carts', '--skip-git', '--package-manager', 'npm', '--language', 'TS'], {
    cwd: folder,
    shell,
  });
  const packed = await run(process.execPath, [join(ROOT, 'scripts/pack.mjs'), `--out=${folder}`]);
  const tarball = packed.stdout.trimEnd().split('\n').at(-1)!;
  const [, packages] = guide.match(/^npm install nestjs-dkv (.*)$/m)!;
  await run('npm', ['install', '--ignore-scripts', tarball, ...packages!.split(' ')], { cwd: home, shell });

  const sources = join(home, 'src');
  readdirSync(sources).forEach((name) => rmSync(join(sources, name)));
  const files = [...filesOfTheGuide()].filter(([name]) => !name.endsWith('.spec.ts'));
  files.forEach(([name, text]) => writeFileSync(join(sources, name), text));
  expect(files.map(([name]) => name)).toContain('main.ts');
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as object;
  writeFileSync(join(home, 'package.json'), JSON.stringify({ ...manifest, type: 'module' }));
  await run('npm', ['run', 'build'], { cwd: home, shell });

  const ports = await pickFreePorts(6);
  const nodes = [0, 1, 2].map((at) => `carts-${at}=127.0.0.1:${ports[3 + at]}`).join(',');
  const urls = [0, 1, 2].map((at) => {
    const env = {
      ...process.env,
      NODE_PATH: '',
      DKV_API_KEY: 'secret-of-the-three',
      DKV_NODES: nodes,
      HOSTNAME: `carts-${at}`,
      PORT: String(ports[at]),
      DATA_DIR: join(folder, `data-${at}`),
    };
    processes.push(spawn(process.execPath, ['dist/main.js'], { cwd: home, env, stdio: 'ignore' }));
    return `http://127.0.0.1:${ports[at]}`;
  });
  const isReady = async (url: string) => (await fetch(`${url}/health/ready`)).status === 200;
  await Promise.all(urls.map((url) => until(`${url} to be ready`, () => isReady(url))));
  const add = async (url: string, item: string) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}/carts/ada`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ item }),
    });
    return answer.status === 201 && (await answer.json());
  };
  expect(await add(urls[0]!, 'book')).toEqual({ items: ['book'] });
  processes[0]!.kill('SIGKILL');
  const added = await until('a write without the first node', () => add(urls[1]!, 'pen'));
  expect(added).toMatchObject({ items: expect.arrayContaining(['book', 'pen']) as string[] });
  await until('the metrics of the third node to tell', async () =>
    /^dkv_peer_up\{peer="carts-0"\} 0$/m.test(await (await fetch(`${urls[2]}/metrics`)).text()),
  );
  const seconds = Math.round((performance.now() - beganMs) / 1000);
  process.stdout.write(`From nest new to three nodes, of which one died: ${seconds} s of commands.\n`);
});
