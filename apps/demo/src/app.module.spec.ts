/** The demo's routes as a caller meets them: versions, counters, locks, requests that are tried again. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppModule } from './app.module.js';
import { readEnvironment } from './environment.js';
import { createHttpAdapter } from './http/http-adapter.js';

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

type Send = (
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  url: string,
  body?: unknown,
  key?: string,
) => Promise<Answer>;

const apps: NestFastifyApplication[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(mode: 'strong' | 'eventual' = 'strong'): Promise<Send> {
  const environment = readEnvironment({ DKV_NODE_ID: 'n', DKV_STORAGE: 'memory', DKV_MODE: mode });
  const options = { logger: false, bodyParser: false } as const;
  const module = AppModule.of(environment);
  const app = await NestFactory.create<NestFastifyApplication>(module, createHttpAdapter(), options);
  apps.push(app);
  await app.init();
  return async (method, url, body, key) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const headers = { ...type, ...(key !== undefined && { 'idempotency-key': key }) };
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const { statusCode, payload: text } = await app.inject({ method, url, payload, headers });
    return { status: statusCode, body: JSON.parse(text) as Record<string, unknown> };
  };
}

describe('an item', () => {
  it('is written upon the version that was read, or upon nothing', async () => {
    const send = await start();
    const created = await send('PUT', '/items/a?ifVersion=absent', 1);
    expect(created.status).toBe(200);
    const version = String(created.body.version);
    expect(await send('PUT', '/items/a?ifVersion=absent', 2)).toMatchObject({
      status: 409,
      body: { code: 'DKV_CONFLICT', current: { version } },
    });
    expect((await send('PUT', `/items/a?ifVersion=${version}`, 2)).status).toBe(200);
    expect((await send('PUT', `/items/a?ifVersion=${version}`, 3)).status).toBe(409);
    expect((await send('GET', '/items/a?consistency=linearizable')).body.value).toBe(2);
  });

  it('is written and deleted once for each Idempotency-Key', async () => {
    const send = await start();
    const first = await send('PUT', '/items/a', 1, 'put');
    await send('PUT', '/items/a', 2);
    expect(first.body).not.toHaveProperty('repeated');
    expect((await send('PUT', '/items/a', 1, 'put')).body).toEqual({ ...first.body, repeated: true });
    expect((await send('DELETE', '/items/a', undefined, 'delete')).body).toEqual({ removed: true });
    await send('PUT', '/items/a', 3);
    expect((await send('DELETE', '/items/a', undefined, 'delete')).body).toEqual({ removed: true });
    expect((await send('GET', '/items/a')).body.value).toBe(3);
  });

  it.each([
    '/items/a?ifVersion=newest',
    '/items/a?ifVersion=absent&consistency=quorum',
    '/items/a?ttlMs=soon',
    '/items/a?ttlMs=1.5',
    '/items/a?ifversion=absent',
  ])('is not written by %s', async (url) => {
    const send = await start();
    expect(await send('PUT', url, 1)).toMatchObject({ status: 400, body: { code: 'DKV_INVALID_ARGUMENT' } });
    expect((await send('GET', '/items/a')).status).toBe(404);
  });

  it('of an eventual store knows no versions to expect, while counters and locks stay strong', async () => {
    const send = await start('eventual');
    expect((await send('PUT', '/items/a?consistency=all&ttlMs=60000', 1)).status).toBe(200);
    for (const { status, body } of [
      await send('PUT', '/items/a?ifVersion=absent', 1),
      await send('PUT', '/items/a', 1, 'once'),
      await send('GET', '/items/a?consistency=linearizable'),
    ]) {
      expect([status, body.code]).toEqual([400, 'DKV_UNSUPPORTED']);
    }
    expect((await send('POST', '/counters/c')).body).toEqual({ value: 1 });
    expect((await send('POST', '/locks/l', { ttlMs: 1_000 })).status).toBe(200);
  });
});

it('counts, once for each Idempotency-Key, in a namespace of its own', async () => {
  const send = await start();
  expect(await send('POST', '/counters/c', { by: 5 }, 'once')).toEqual({ status: 200, body: { value: 5 } });
  expect((await send('POST', '/counters/c', { by: 5 }, 'once')).body).toEqual({ value: 5 });
  expect((await send('POST', '/counters/c')).body).toEqual({ value: 6 });
  expect((await send('POST', '/counters/c', { by: -7 })).body).toEqual({ value: -1 });
  expect((await send('GET', '/counters/c?consistency=linearizable')).body.value).toBe(-1);
  expect((await send('GET', '/items/c')).status).toBe(404);
  for (const by of [0.5, '5', null, 2 ** 53]) {
    expect((await send('POST', '/counters/c', { by })).body.code).toBe('DKV_INVALID_ARGUMENT');
  }
});

it('lends a lock to one caller at a time', async () => {
  const send = await start();
  const { body: held } = await send('POST', '/locks/l', { ttlMs: 20_000 });
  expect(held).toMatchObject({
    fencing: expect.any(Number) as number,
    token: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
  });
  const token = String(held.token);
  expect(await send('POST', '/locks/l', { ttlMs: 20_000 })).toMatchObject({
    status: 409,
    body: { code: 'DKV_CONFLICT', expiresAtMs: held.expiresAtMs },
  });
  const renewed = await send('PUT', '/locks/l', { token, ttlMs: 40_000 });
  expect(renewed).toMatchObject({ status: 200, body: { token, fencing: held.fencing } });
  expect((await send('PUT', '/locks/l', { token: 'x', ttlMs: 1_000 })).status).toBe(409);
  expect((await send('DELETE', '/locks/l')).status).toBe(400);
  expect((await send('DELETE', '/locks/l?token=x')).status).toBe(409);
  expect(await send('DELETE', `/locks/l?token=${token}`)).toEqual({ status: 200, body: { released: true } });
  const next = await send('POST', '/locks/l', { ttlMs: 1_000 });
  expect(next.body.fencing).toBeGreaterThan(held.fencing as number);
  expect((await send('DELETE', '/locks/l', { token: next.body.token })).status).toBe(200);
  for (const ttlMs of [0, -1, '5', undefined]) {
    expect((await send('POST', '/locks/l', { ttlMs })).body.code).toBe('DKV_INVALID_ARGUMENT');
  }
});

describe('a page of another site', () => {
  let app: NestFastifyApplication;
  beforeEach(async () => {
    const environment = readEnvironment({ DKV_NODE_ID: 'n', DKV_STORAGE: 'memory' });
    const module = AppModule.of(environment);
    const adapter = createHttpAdapter('demo.example.org');
    app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
      logger: false,
      bodyParser: false,
    });
    apps.push(app);
    await app.init();
  });

  const put = (headers: Record<string, string>) =>
    app.inject({ method: 'PUT', url: '/items/a', payload: '1', headers });

  it.each([
    'text/plain',
    'text/plain;charset=UTF-8',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
  ])('cannot write what a browser sends without asking: %s', async (type) => {
    const { statusCode, payload } = await put({ 'content-type': type });
    expect([statusCode, payload]).toEqual([400, expect.stringContaining('Content-Type: application/json')]);
    expect((await app.inject({ url: '/items/a' })).statusCode).toBe(404);
  });

  it.each([
    'evil.example.com',
    'evil.example.com:3001',
    '127.0.0.1.nip.io',
    'demo.example.org.evil.com',
    'a.local.evil.com',
  ])('cannot ask under its own name: %s', async (host) => {
    const { statusCode, payload } = await put({ 'content-type': 'application/json', host });
    expect([statusCode, payload]).toEqual([403, expect.stringContaining('DKV_FORBIDDEN')]);
    expect((await app.inject({ url: '/metrics', headers: { host } })).statusCode).toBe(403);
  });

  it.each([
    'localhost:3001',
    '127.0.0.1:3001',
    '[::1]:3001',
    '10.0.0.7',
    'node1',
    'demo.example.org',
    'app.default.svc.cluster.local',
  ])('is not who asks by an address or a name of your own: %s', async (host) => {
    expect((await put({ 'content-type': 'application/json', host })).statusCode).toBe(200);
  });
});
