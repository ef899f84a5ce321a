/** The application of docs/getting-started.md boots by its own main, answers, and is one of three when told so. */
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { NestFactory } from '@nestjs/core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { pickFreePorts } from '../e2e/free-ports.js';
import { AppModule } from './getting-started/app.module.js';

const apps: NestFastifyApplication[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dkv-getting-started-'));
});

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function environment(values: Record<string, string>): void {
  for (const [name, value] of Object.entries(values)) {
    vi.stubEnv(name, value);
  }
}

it('boots, stores, tells its health and its figures', async () => {
  const [port] = await pickFreePorts(1);
  environment({ DATA_DIR: folder, PORT: String(port), DKV_NODES: '' });
  apps.push((await import('./getting-started/main.js')).default);
  const ask = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return [answer.status, await answer.text()] as const;
  };
  const body = JSON.stringify({ item: 'book' });
  const headers = { 'content-type': 'application/json' };
  expect(await ask('/carts/ada', { method: 'POST', headers, body })).toEqual([201, '{"items":["book"]}']);
  expect(await ask('/carts/ada')).toEqual([200, '{"items":["book"]}']);
  const large = { method: 'POST', headers, body: JSON.stringify({ item: 'x'.repeat(600_000) }) };
  expect((await ask('/carts/bob', large))[0]).toBe(201);
  expect(await ask('/carts/bob', large)).toEqual([400, expect.stringContaining('DKV_VALUE_TOO_LARGE')]);
  expect((await ask('/health/live'))[0]).toBe(200);
  expect((await ask('/health/ready'))[0]).toBe(200);
  expect((await ask('/metrics'))[1]).toMatch(/^dkv_ready\b.* 1$/m);
});

it('is one of three nodes when it is told of them', async () => {
  const ports = await pickFreePorts(3);
  const nodes = ports.map((port, index) => `carts-${index}=127.0.0.1:${port}`).join();
  for (const index of ports.keys()) {
    environment({
      DATA_DIR: join(folder, String(index)),
      HOSTNAME: `carts-${index}`,
      DKV_NODES: nodes,
      DKV_API_KEY: 'secret-of-the-three',
    });
    const options = { logger: false, abortOnError: false } as const;
    apps.push(await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), options));
  }
  await Promise.all(apps.map((app) => app.init()));
  await vi.waitFor(
    async () => {
      const ready = await Promise.all(apps.map((app) => app.inject('/health/ready')));
      expect(ready.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
    },
    { timeout: 60_000 },
  );
  const [first, second] = apps;
  await first!.inject({ method: 'POST', url: '/carts/ada', payload: { item: 'book' } });
  await second!.inject({ method: 'POST', url: '/carts/ada', payload: { item: 'pen' } });
  expect((await second!.inject('/carts/ada')).json()).toEqual({ items: ['book', 'pen'] });
});
