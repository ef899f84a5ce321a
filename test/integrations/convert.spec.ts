/** What docs/operations.md says to type leads an application from one engine and Node release to another, and back. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pickFreePorts } from '../e2e/free-ports.js';
import { nodeRelease } from '../e2e/newer-node.js';
import { until } from '../e2e/until.js';
import { shellBlocksOf } from '../readme/documented.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCE = fileURLToPath(new URL('./application/records.ts', import.meta.url));
const CLOCK = fileURLToPath(new URL('../e2e/played-clock.mjs', import.meta.url));
const run = promisify(execFile);
/** The releases that the workspace has. */
const RELEASES = Object.assign(
  {},
  ...['package.json', 'apps/demo/package.json'].map((path) => {
    const manifest = JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as Record<string, object>;
    return { ...manifest.devDependencies, ...manifest.dependencies };
  }),
) as Record<string, string>;
const PACKAGES = ['@nestjs/common', '@nestjs/core', '@nestjs/platform-express', 'reflect-metadata', 'rxjs'];
const DAY_MS = 86_400_000;
const KEYS = Array.from({ length: 40 }, (_, number) => `k${number}`);
const NAMESPACES = ['accounts', 'visits'];

type Engine = 'rocksdb' | 'rocksdb-native' | 'classic-level';
/** From `rocksdb`, which runs on Node 20 alone, through every pair of engines both ways; the others run on Node 24. */
const ENGINES_IN_TURN: readonly Engine[] = [
  'rocksdb-native',
  'classic-level',
  'rocksdb',
  'classic-level',
  'rocksdb-native',
  'rocksdb',
];

const folder = mkdtempSync(join(tmpdir(), 'dkv-convert-guide-'));
const home = join(folder, 'app');
const dataDir = join(folder, 'dkv');
let child: ChildProcess | undefined;
let log = '';
let url: string;
let port: number;

beforeAll(async () => {
  const packed = await run(process.execPath, [join(ROOT, 'scripts/pack.mjs'), `--out=${folder}`]);
  const tarball = packed.stdout.trimEnd().split('\n').at(-1)!;
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const packages = PACKAGES.map((name) => `${name}@${RELEASES[name]}`);
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball, ...packages], {
    cwd: home,
  });
  const { outputText } = ts.transpileModule(readFileSync(SOURCE, 'utf8'), {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    },
  });
  writeFileSync(join(home, 'main.js'), outputText);
  [port] = (await pickFreePorts(1)) as [number];
  url = `http://127.0.0.1:${port}`;
}, 600_000);
afterAll(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

/** Starts the application and resolves when it answers. @throws Error with its log when it ends instead. */
async function start(release: '20' | '24', ahead = 0): Promise<void> {
  const env = {
    ...process.env,
    NODE_PATH: '',
    PORT: String(port),
    DATA_DIR: dataDir,
    PLAYED_CLOCK_MS: String(ahead),
  };
  const args = ['--import', pathToFileURL(CLOCK).href, 'main.js'];
  const started = spawn(await nodeRelease(release), args, { cwd: home, env, stdio: 'pipe' });
  child = started;
  log = '';
  started.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  started.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const ended = new Promise<never>((_, reject) =>
    started.once('close', (code, signal) => reject(new Error(`It ended (${code ?? signal}):\n${log}`))),
  );
  await Promise.race([until('the application to answer', () => ask('GET', 'about')), ended]);
}

/** A process that is killed leaves what it wrote last in its log alone. */
async function stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  const ended = new Promise((resolve) => child!.once('close', resolve));
  child!.kill(signal);
  await ended;
}

/** The answer's body; undefined where there is nothing. */
async function ask(method: string, path: string, body?: object): Promise<object | undefined> {
  const response = await fetch(`${url}/${path}`, {
    method,
    body: body && JSON.stringify(body),
    headers: { 'content-type': 'application/json', connection: 'close' },
  });
  const answer = (await response.json()) as object;
  if (response.status === 404) {
    return undefined;
  }
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return answer;
}

/** Every record as a reader is given it: value, moment and version. */
async function records(): Promise<Record<string, object | undefined>> {
  const paths = NAMESPACES.flatMap((namespace) =>
    [...KEYS, ...ENGINES_IN_TURN].map((key) => `${namespace}/${key}`),
  );
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, await ask('GET', path)] as const)),
  );
}

/** Types the block of the guide that leads to this engine, on Node 20, in the folder of the application. */
async function convertAsTheGuideSays(engine: Engine): Promise<string> {
  const block = shellBlocksOf('docs/operations.md').find((text) => text.includes(`--to ${engine} `))!;
  const [from, out] = ['--data-dir', '--out'].map(
    (option) => new RegExp(`${option} (\\S+)`).exec(block)![1]!,
  );
  const made = `${dataDir}-new`;
  const places: Record<string, string> = { [from!]: dataDir, [out!]: made };
  const commands = block.replaceAll(/(?<= )\/\S+/g, (path) => places[path]!);
  const node = await nodeRelease('20');
  const env = {
    ...process.env,
    NODE_PATH: '',
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
    npm_config_audit: 'false',
    npm_config_ignore_scripts: 'true',
  };
  const { stdout } = await run('sh', ['-ec', commands], { cwd: home, env });
  rmSync(dataDir, { recursive: true });
  renameSync(made, dataDir);
  return stdout;
}

it('leads to each engine from each other, with every record, version and lifetime', async () => {
  await start('20');
  expect(await ask('GET', 'about')).toMatchObject({ engine: 'rocksdb' });
  for (const namespace of NAMESPACES) {
    for (const round of [1, 2]) {
      await Promise.all(KEYS.map((key) => ask('PUT', `${namespace}/${key}`, { key, round })));
    }
    await ask('PUT', `${namespace}/k1?ttlMs=${DAY_MS}`, { lifetime: 'a day' });
    await ask('DELETE', `${namespace}/k2`);
  }
  let before = await records();
  expect(Object.values(before).filter(Boolean)).toHaveLength(NAMESPACES.length * (KEYS.length - 1));
  await stop('SIGKILL');
  await expect(start('24')).rejects.toThrow(/npx -p nestjs-dkv dkv convert --data-dir/);

  for (const [at, engine] of ENGINES_IN_TURN.entries()) {
    const step = `${ENGINES_IN_TURN.at(at - 1)} to ${engine}`;
    expect(await convertAsTheGuideSays(engine), step).toMatch(/all were read back and are the same\./);
    await start(engine === 'rocksdb' ? '20' : '24');
    expect(await ask('GET', 'about'), step).toMatchObject({ engine });
    expect(await records(), step).toEqual(before);
    // Each engine has writes of its own to hand on.
    await Promise.all(NAMESPACES.map((namespace) => ask('PUT', `${namespace}/${engine}`, { step })));
    before = await records();
    await stop(at % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
  }

  await start('20', 2 * DAY_MS);
  const gone = Object.fromEntries(NAMESPACES.map((namespace) => [`${namespace}/k1`, undefined]));
  expect(await records()).toEqual({ ...before, ...gone });
  await stop();
}, 900_000);
