/** What the README shows works when run. */
import { Test } from '@nestjs/testing';
import { Dkv, DkvModule, getDkvToken } from 'nestjs-dkv';
import { calls, cluster } from './readme-use.js';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { NestFactory } from '@nestjs/core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';

const dataDir = mkdtempSync(join(tmpdir(), 'dkv-readme-'));
let app: NestFastifyApplication | undefined;

afterEach(async () => {
  await app?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

it('stores a cart, reads it back, and finds it again after a restart', async () => {
  process.env.DATA_DIR = dataDir;
  const { AppModule } = await import('./readme-app.js');
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

it('makes calls that come out as it says', async () => {
  const logger = { log() {}, warn() {}, error() {} };
  const imports = [
    DkvModule.forRoot({ storage: 'memory', logger }),
    DkvModule.forFeature([{ name: 'counters' }]),
  ];
  const module = await Test.createTestingModule({ imports }).compile();
  await module.init();
  const dkv = module.get<Dkv>(Dkv);
  const counters = module.get<Dkv<number>>(getDkvToken('counters'), { strict: false });
  const reports: number[] = [];
  await calls(dkv as Dkv<object>, counters, { id: '1' }, new AbortController().signal, (held, fencing) => {
    reports.push(held.aborted ? 0 : fencing);
  });
  expect(reports).toHaveLength(1);
  expect((await counters.getOrThrow('visits')).value).toBe(1);
  expect(await dkv.get('user:7')).toBeUndefined();
  await module.close();
});

it('makes a module of a cluster', () => {
  process.env.DKV_API_KEY = 'a secret';
  expect(cluster().module).toBe(DkvModule);
});
