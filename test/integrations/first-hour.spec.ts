/** The path of docs/getting-started.md as a stranger goes it: from `nest new` to three processes with health and metrics. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, expect, it } from 'vitest';
import { pickFreePorts } from '../e2e/free-ports.js';
import { until } from '../e2e/until.js';
import { shellBlocksOf } from '../readme/documented.js';
import { curl } from './curl.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const guide = readFileSync(join(ROOT, 'docs/getting-started.md'), 'utf8');
const run = promisify(execFile);
const [install, alone, three] = shellBlocksOf('docs/getting-started.md');
const folder = mkdtempSync(join(tmpdir(), 'dkv-first-hour-'));
const home = join(folder, 'carts');
const groups: ChildProcess[] = [];
let log = '';

afterEach(({ task }) => {
  if (task.result?.state === 'fail') {
    process.stderr.write(log);
  }
});
afterAll(() => {
  groups.filter(isRunning).forEach(({ pid }) => process.kill(-pid!, 'SIGKILL'));
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

/** Types commands in the application's folder, in a group of their own: all that they start can be stopped. */
function type(commands: string, env: NodeJS.ProcessEnv): ChildProcess {
  const child = spawn('sh', ['-ec', commands], {
    cwd: home,
    env: { ...process.env, NODE_PATH: '', ...env },
    stdio: 'pipe',
    detached: true,
  });
  const keep = (chunk: Buffer) => (log += chunk.toString());
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  groups.push(child);
  return child;
}

const isRunning = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null;

/** As Ctrl-C does; resolves when the last process of the group has let go of its output. */
async function interrupt(group: ChildProcess): Promise<void> {
  const closed = new Promise((resolve) => group.once('close', resolve));
  process.kill(-group.pid!, 'SIGINT');
  await closed;
  groups.splice(groups.indexOf(group), 1);
}

/** What the comment behind a command says that it answers. */
const answerIn = (line: string) => /# (\{.*\})$/.exec(line)?.[1];

it('leads from nothing to three nodes, one of which may die', { timeout: 900_000 }, async () => {
  const beganMs = performance.now();
  const [, packages] = install!.match(
    /^npx @nestjs\/cli new carts && cd carts\nnpm install nestjs-dkv (.*)$/,
  )!;
  const nest = join(ROOT, 'node_modules/.bin/nest');
  await run(nest, ['new', 'carts', '--skip-git', '--package-manager', 'npm', '--language', 'TS'], {
    cwd: folder,
  });
  const packed = await run(process.execPath, [join(ROOT, 'scripts/pack.mjs'), `--out=${folder}`]);
  const tarball = packed.stdout.trimEnd().split('\n').at(-1)!;
  await run('npm', ['install', '--ignore-scripts', tarball, ...packages!.split(' ')], { cwd: home });

  const sources = join(home, 'src');
  readdirSync(sources).forEach((name) => rmSync(join(sources, name)));
  const files = [...filesOfTheGuide()].filter(([name]) => !name.endsWith('.spec.ts'));
  files.forEach(([name, text]) => writeFileSync(join(sources, name), text));
  expect(files.map(([name]) => name)).toContain('main.ts');
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as object;
  writeFileSync(join(home, 'package.json'), JSON.stringify({ ...manifest, type: 'module' }));
  const ports = await pickFreePorts(6);
  const ask = (line: string) => curl(line, (port) => ports[port - 3000]!);
  const isReady = async (line: string) => (await ask(line)).status === 200;

  const [start, adds, health, metrics] = alone!.split('\n') as [string, string, string, string];
  let application = type(start, { PORT: String(ports[0]) });
  await until('the application to be ready', () => isReady(health));
  expect(answerIn(adds)).toBeDefined();
  expect(await ask(adds)).toEqual({ status: 201, text: answerIn(adds) });
  expect((await ask(metrics)).text).toMatch(/^dkv_ready\b.* 1$/m);
  await interrupt(application);
  application = type(start, { PORT: String(ports[0]) });
  await until('the application to be ready again', () => isReady(health));
  // "Stop it and start it again: the cart is still there."
  const found = await ask('curl localhost:3000/carts/ada');
  expect(found).toEqual({ status: 200, text: answerIn(adds) });
  await interrupt(application);

  const lines = three!.split('\n');
  const setUp = lines.filter((line) => !line.startsWith('curl ')).join('\n');
  const [ready, addsToo, reads] = lines.filter((line) => line.startsWith('curl ')) as [
    string,
    string,
    string,
  ];
  log = '';
  type(
    `${setUp.replace('& done', '& echo "process $!"; done')}\nwait`
      .replaceAll(/127\.0\.0\.1:700(\d)/g, (_, at) => `127.0.0.1:${ports[3 + Number(at)]}`)
      .replace('PORT=300$n', `PORT=$((${ports[0]} + n))`)
      .replace('/tmp/carts', join(folder, 'carts-data')),
    {},
  );
  await until('all three to have seen each other', () => isReady(ready));
  expect((await ask(addsToo)).text).toBe('{"items":["book"]}');
  await until('the same cart at another node', async () => (await ask(reads)).text === '{"items":["book"]}');
  const [first] = [...log.matchAll(/^process (\d+)$/gm)].map(([, pid]) => Number(pid));
  process.kill(first!, 'SIGKILL');
  const pen = addsToo.replace('localhost:3000', 'localhost:3001').replace('book', 'pen');
  const added = await until('a write without the first node', async () => {
    const { status, text } = await ask(pen);
    return status === 201 && (JSON.parse(text) as object);
  });
  expect(added).toMatchObject({ items: expect.arrayContaining(['book', 'pen']) as string[] });
  await until('the metrics of the third node to tell', async () =>
    /^dkv_peer_up\{peer="carts-0"\} 0$/m.test((await ask('curl localhost:3002/metrics')).text),
  );
  const seconds = Math.round((performance.now() - beganMs) / 1000);
  process.stdout.write(`From nest new to three nodes, of which one died: ${seconds} s of commands.\n`);
});
