/** The library as npm brings it: packed, installed into fresh Nest applications without install scripts, compiled with and used. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { pickFreePorts } from '../e2e/free-ports.js';
import { nodeRelease } from '../e2e/newer-node.js';
import { until } from '../e2e/until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = fileURLToPath(new URL('./application', import.meta.url));
const run = promisify(execFile);
const npm = { shell: process.platform === 'win32' };

/** Where `npm run test:integrations` keeps fresh applications, and what checks packages. */
let fresh: string;
let out: string;
let tarball: string;

beforeAll(async () => {
  fresh = process.env.DKV_APPLICATIONS ?? '';
  if (fresh === '') {
    throw new Error('Not tested: there are no fresh applications. `npm run test:integrations` makes them.');
  }
  out = mkdtempSync(join(tmpdir(), 'dkv-packed-'));
  const { stdout } = await run(process.execPath, [join(ROOT, 'scripts/pack.mjs'), `--out=${out}`]);
  tarball = stdout.trimEnd().split('\n').at(-1)!;
  // As an npm that asks before it runs scripts of packages, and is not answered.
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', tarball];
  await Promise.all(APPLICATIONS.map(({ name }) => run('npm', args, { cwd: join(fresh, name), ...npm })));
}, 600_000);
afterAll(() => rmSync(out, { recursive: true }));

describe('the package', () => {
  const check = (script: string, ...args: string[]) =>
    run(process.execPath, [join(fresh, 'package-checks/node_modules', script), ...args, tarball]);

  it('is taken for right by publint', async () => {
    await check('publint/src/cli.js', 'run', '--strict');
  });

  it('has types that every resolution finds which knows ES modules', async () => {
    await check('@arethetypeswrong/cli/dist/index.js', '--profile', 'esm-only');
  });

  it('holds what users need, and nothing of the tests or the build', async () => {
    const files = (await run('tar', ['-tzf', tarball])).stdout.trimEnd().split('\n');
    expect(files).toEqual(
      expect.arrayContaining(
        [
          'README.md',
          'LICENSE',
          'CHANGELOG.md',
          'docs/options.md',
          'deploy/helm/templates/_names.tpl',
          'deploy/kubernetes/app.yaml',
          'dist/testing/index.d.ts',
        ].map((name) => `package/${name}`),
      ),
    );
    expect(
      files.filter((name) => /tsbuildinfo|\.spec\.|\.map$|testing\/(caught|fake-)|helm\/ci/.test(name)),
    ).toEqual([]);
  });
});

interface Application {
  readonly name: string;
  readonly platform: 'express' | 'fastify';
  readonly node: string;
  /** What its package.json says of its own files. */
  readonly type: 'commonjs' | 'module';
  readonly compiler: object;
  readonly transport?: string;
  readonly engine: string;
}

const APPLICATIONS: Application[] = [
  {
    name: 'nest-11-express',
    platform: 'express',
    node: '20',
    type: 'commonjs',
    compiler: { module: 'nodenext' },
    engine: 'rocksdb',
  },
  {
    name: 'nest-11-fastify',
    platform: 'fastify',
    node: '24',
    type: 'module',
    compiler: { module: 'node16' },
    transport: 'http',
    engine: 'classic-level',
  },
  {
    name: 'nest-12-express',
    platform: 'express',
    node: '24',
    type: 'commonjs',
    compiler: { module: 'commonjs', moduleResolution: 'bundler' },
    engine: 'classic-level',
  },
  {
    name: 'nest-12-fastify',
    platform: 'fastify',
    node: '26',
    type: 'module',
    compiler: { module: 'nodenext' },
    transport: 'stream',
    engine: 'classic-level',
  },
];

describe.each(APPLICATIONS)('$name on Node $node, $type, $compiler', (application) => {
  const processes: ChildProcess[] = [];
  let node: string;
  let home: string;

  beforeAll(async () => {
    node = await nodeRelease(application.node);
    home = join(fresh, application.name);
    for (const made of readdirSync(home).filter((name) => /^(src|dist|data-.*)$/.test(name))) {
      rmSync(join(home, made), { recursive: true });
    }
  });
  afterEach(() => processes.splice(0).forEach((child) => child.kill('SIGKILL')));

  it('compiles, declarations of the library included', async () => {
    mkdirSync(join(home, 'src'));
    for (const file of ['carts.ts', `${application.platform}.ts`]) {
      cpSync(join(SOURCES, file), join(home, 'src', file));
    }
    writeFileSync(join(home, 'src/package.json'), JSON.stringify({ type: application.type }));
    mkdirSync(join(home, 'dist'));
    writeFileSync(join(home, 'dist/package.json'), JSON.stringify({ type: application.type }));
    const compilerOptions = {
      ...application.compiler,
      target: 'es2023',
      types: ['node'],
      rootDir: 'src',
      outDir: 'dist',
      strict: true,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      esModuleInterop: true,
      skipLibCheck: false,
    };
    writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
    const { stdout } = await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], {
      cwd: home,
    }).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  });

  it('keeps a cart, refuses a bad key with 400, and is healthy', async () => {
    const count = application.platform === 'fastify' ? 3 : 1;
    const ports = await pickFreePorts(2 * count);
    const nodes = ports.slice(count).map((port, at) => `n${at}=127.0.0.1:${port}`);
    const urls = ports.slice(0, count).map((port, at) => {
      const env = {
        ...process.env,
        NODE_PATH: '',
        PORT: String(port),
        NODE_ID: `n${at}`,
        DATA_DIR: join(home, `data-${at}`),
        TRANSPORT: application.transport,
        NODES: count > 1 ? nodes.join(',') : '',
      };
      const main = join(home, 'dist', `${application.platform}.js`);
      processes.push(spawn(node, [main], { cwd: home, env, stdio: ['ignore', 'ignore', 'inherit'] }));
      return `http://127.0.0.1:${port}`;
    });
    const [first, last] = [urls[0]!, urls.at(-1)!];
    const ended = processes.map(
      (child) => new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal))),
    );
    const healthy = Promise.all(
      urls.map((url) =>
        until(`${application.name} to be healthy at ${url}`, async () => {
          const { status, body } = await ask(`${url}/health`);
          return status === 200 && body.status === 'ok';
        }),
      ),
    );
    expect(await Promise.race([healthy, ...ended])).toEqual(urls.map(() => true));
    expect((await ask(`${first}/about`)).body).toEqual({
      engine: application.engine,
      node: expect.stringMatching(new RegExp(`^${application.node}\\.`)) as string,
      clock: 5,
    });
    expect(await ask(`${first}/carts/ada`, { items: ['book'] })).toMatchObject({ status: 200 });
    expect(await until('the cart at the last node', () => cartOf(last))).toEqual({ items: ['book'] });
    expect(await ask(`${first}/carts/${'k'.repeat(1025)}`)).toMatchObject({
      status: 400,
      body: { code: 'DKV_INVALID_KEY' },
    });
    expect(await ask(`${first}/carts/nobody`)).toMatchObject({
      status: 404,
      body: { code: 'DKV_KEY_NOT_FOUND' },
    });
    processes.forEach((child) => child.kill('SIGTERM'));
    // Nest ends itself by the signal, once everything is closed.
    expect(await Promise.all(ended)).toEqual(processes.map(() => 'SIGTERM'));
    expect(readdirSync(join(home, 'data-0'))).toContain(application.engine);
  });

  it('has the command line', async () => {
    const { stdout } = await run(node, [
      join(home, 'node_modules/nestjs-dkv/dist/src/cli/dkv-command.js'),
      '--version',
    ]);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

interface Answer {
  readonly status: number;
  readonly body: { readonly status?: string; readonly code?: string; readonly value?: unknown };
}

async function ask(url: string, body?: object): Promise<Answer> {
  const sent = body && {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  };
  const response = await fetch(url, { ...sent });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

async function cartOf(url: string): Promise<unknown> {
  const { status, body } = await ask(`${url}/carts/ada`);
  return status === 200 && body.value;
}
