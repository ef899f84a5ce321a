/** `nest start --watch`, as one develops: every save ends the process and starts another on the same data folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pickFreePorts } from './free-ports.js';
import { until } from './until.js';

const PACKAGES = fileURLToPath(new URL('../../node_modules', import.meta.url));
const RESTARTS = 5;
const APPLICATION = `
import { Controller, Get, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Dkv, DkvModule } from 'nestjs-dkv';
import { EDITION } from './edition.js';

@Controller()
class VisitsController {
  constructor(private readonly dkv: Dkv<number>) {}

  @Get()
  about() {
    return { edition: EDITION, pid: process.pid };
  }

  @Post('visits')
  async visit() {
    return { visits: await this.dkv.increment('visits') };
  }
}

@Module({ imports: [DkvModule.forRoot({})], controllers: [VisitsController] })
class AppModule {}

const app = await NestFactory.create(AppModule);
if (process.env.SHUTDOWN_HOOKS) {
  app.enableShutdownHooks();
}
await app.listen(Number(process.env.PORT), '127.0.0.1');
`;

let home: string;
let url: string;
let nest: ChildProcess;
let log: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'dkv-watch-'));
  symlinkSync(PACKAGES, join(home, 'node_modules'), 'junction');
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2023',
    types: ['node'],
    rootDir: 'src',
    outDir: 'dist',
    strict: true,
    skipLibCheck: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  };
  const files = {
    'package.json': { private: true, type: 'module' },
    'nest-cli.json': { sourceRoot: 'src' },
    'tsconfig.json': { compilerOptions, include: ['src'] },
  };
  Object.entries(files).forEach(([name, content]) =>
    writeFileSync(join(home, name), JSON.stringify(content)),
  );
  mkdirSync(join(home, 'src'));
  writeFileSync(join(home, 'src/main.ts'), APPLICATION);
});
afterEach(({ task }) => {
  if (task.result?.state === 'fail') {
    process.stderr.write(log);
  }
  // The group: the command line, and the application that it started.
  if (nest.exitCode === null && nest.signalCode === null) {
    process.kill(-nest.pid!, 'SIGKILL');
  }
  rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

function save(edition: number, after = ''): void {
  writeFileSync(join(home, 'src/edition.ts'), `export const EDITION: number = ${edition};\n${after}`);
}

async function startWatching(hooks: boolean): Promise<void> {
  const [port] = await pickFreePorts(1);
  url = `http://127.0.0.1:${port}`;
  log = '';
  const env = { ...process.env, NODE_PATH: '', PORT: String(port), SHUTDOWN_HOOKS: hooks ? 'on' : '' };
  const args = [join(PACKAGES, '@nestjs/cli/bin/nest.js'), 'start', '--watch'];
  nest = spawn(process.execPath, args, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  nest.stdout!.on('data', (chunk: Buffer) => (log += chunk.toString()));
  nest.stderr!.on('data', (chunk: Buffer) => (log += chunk.toString()));
}

async function ask(method: string, path: string): Promise<Record<string, number>> {
  const answer = await fetch(url + path, { method, headers: { connection: 'close' } });
  expect(answer.ok).toBe(true);
  return (await answer.json()) as Record<string, number>;
}

/** The process that serves this edition. */
function pidOf(edition: number): Promise<number> {
  return until(`edition ${edition} to answer`, async () => {
    const about = await ask('GET', '/');
    return about.edition === edition && about.pid;
  });
}

describe.each([
  ['in order, as enableShutdownHooks has it', true],
  ['at once, without enableShutdownHooks', false],
])('an application that ends %s', (_, hooks) => {
  it(
    'comes up after every save with all that was written, on the folder that the last process had',
    { timeout: 300_000 },
    async () => {
      save(0);
      await startWatching(hooks);
      const pids = [await pidOf(0)];
      let visits = 0;
      for (let edition = 1; edition <= RESTARTS; edition++) {
        expect(await ask('POST', '/visits')).toEqual({ visits: ++visits });
        save(edition);
        pids.push(await pidOf(edition));
      }
      expect(new Set(pids).size).toBe(1 + RESTARTS);

      // What does not compile leaves the process as it is.
      save(-1, 'export const broken: number = "no number";\n');
      await until('the compiler to complain', async () => log.includes('TS2322'));
      expect(await ask('POST', '/visits')).toEqual({ visits: ++visits });
      // Saved again while the process is on its way: it is ended wherever it is.
      for (let edition = RESTARTS + 1; edition <= 2 * RESTARTS; edition++) {
        const { length: compiledBefore } = log.split('Found 0 errors');
        save(edition);
        await until('it to be compiled', async () => log.split('Found 0 errors').length > compiledBefore);
      }
      await pidOf(2 * RESTARTS);
      expect(await ask('POST', '/visits')).toEqual({ visits: ++visits });

      const ended = new Promise((resolve) => nest.once('close', resolve));
      // As Ctrl-C in a terminal: to the application too.
      process.kill(-nest.pid!, 'SIGINT');
      await ended;
      expect(log).not.toMatch(/ERROR|DKV_/);
      expect(log.includes('has stopped; its data is in place')).toBe(hooks);
    },
  );
});
