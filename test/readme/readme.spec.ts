/** The README's example is what it says: the same text as the compiled file, and it works when run. */
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { NestFactory } from '@nestjs/core';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';

const dataDir = mkdtempSync(join(tmpdir(), 'dkv-readme-'));
let app: NestFastifyApplication | undefined;

afterEach(async () => {
  await app?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

it('is the text of the compiled example', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const example = readFileSync(new URL('./example.ts', import.meta.url), 'utf8');
  expect(readme).toContain(example.slice(example.indexOf('import')));
});

it('stores a cart, reads it back, and finds it again after a restart', async () => {
  process.env.DATA_DIR = dataDir;
  const { AppModule } = await import('./example.js');
  const start = () =>
    NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger: false });

  app = await start();
  await app.init();
  const saved = await app.inject({ method: 'PUT', url: '/carts/ada', payload: { items: ['book'] } });
  expect(saved.statusCode).toBe(200);
  await app.close();

  app = await start();
  await app.init();
  const loaded = await app.inject({ method: 'GET', url: '/carts/ada' });
  expect(loaded.json()).toMatchObject({ key: 'ada', value: { items: ['book'] } });
});
