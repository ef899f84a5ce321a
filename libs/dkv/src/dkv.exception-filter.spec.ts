/** What callers of an application get for an error of the store, whatever the application speaks. */
import {
  type ArgumentsHost,
  Controller,
  Get,
  type INestApplication,
  Logger,
  type MiddlewareConsumer,
  Module,
  Param,
  Res,
} from '@nestjs/common';
import { type AbstractHttpAdapter, APP_FILTER, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { firstValueFrom, type Observable } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import { DkvConflictError, DkvLockError } from './client/conflict-error.js';
import { Dkv } from './dkv.js';
import { DKV_ERROR_STATUS, DkvError, type DkvErrorCode } from './dkv.errors.js';
import { DkvExceptionFilter } from './dkv.exception-filter.js';
import { DkvModule } from './dkv.module.js';

const CODES = Object.keys(DKV_ERROR_STATUS) as DkvErrorCode[];
const INSIDES = 'node n2 at 10.0.0.2:7000 keeps it in /var/lib/data';
const silent = { log() {}, warn() {}, error() {} };

let debug: MockInstance<(line: unknown) => void>;
let error: MockInstance<(line: unknown) => void>;

beforeEach(() => {
  debug = vi.spyOn(Logger.prototype, 'debug').mockReturnValue(undefined);
  error = vi.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
});

@Controller()
class FailingController {
  constructor(private readonly dkv: Dkv) {}

  @Get('codes/:code')
  fail(@Param('code') code: DkvErrorCode): never {
    throw new DkvError(code, INSIDES);
  }

  @Get('keys/:key')
  read(@Param('key') key: string): Promise<unknown> {
    return this.dkv.getOrThrow(key);
  }

  @Get('creations/:key')
  create(@Param('key') key: string): Promise<unknown> {
    return this.dkv.compareAndSet(key, null, 1);
  }

  @Get('half')
  half(@Res() response: { raw?: NodeJS.WritableStream; write?: (text: string) => void }): never {
    (response.raw ?? (response as NodeJS.WritableStream)).write('half of ');
    throw new DkvError('DKV_TIMEOUT', INSIDES);
  }

  @Get('guarded')
  guarded(): string {
    return 'never';
  }
}

@Module({
  imports: [DkvModule.forRoot({ storage: 'memory', logger: silent })],
  controllers: [FailingController],
  providers: [{ provide: APP_FILTER, useClass: DkvExceptionFilter }],
})
class AppModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply(() => {
        throw new DkvError('DKV_OVERLOADED', INSIDES);
      })
      .forRoutes('guarded');
  }
}

describe.each<[string, () => AbstractHttpAdapter]>([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter({ routerOptions: { maxParamLength: 8192 } })],
])('over HTTP by %s', (_, adapter) => {
  let app: INestApplication<Server>;
  let url: string;

  beforeEach(async () => {
    app = await NestFactory.create<INestApplication<Server>>(AppModule, adapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  });
  afterEach(() => app.close());

  async function get(path: string): Promise<{ status: number; body: unknown; type: string | null }> {
    const response = await fetch(`${url}/${path}`);
    return {
      status: response.status,
      body: await response.json(),
      type: response.headers.get('content-type'),
    };
  }

  it('is the status of each code, and its code', async () => {
    for (const code of CODES) {
      expect(await get(`codes/${code}`)).toMatchObject({ status: DKV_ERROR_STATUS[code], body: { code } });
    }
  });

  it('is JSON that names the key where the caller was wrong', async () => {
    expect(await get(`keys/${'k'.repeat(1025)}`)).toEqual({
      status: 400,
      body: { code: 'DKV_INVALID_KEY', message: expect.stringContaining('1025 bytes') as string },
      type: 'application/json; charset=utf-8',
    });
    expect(await get('keys/nobody')).toMatchObject({
      status: 404,
      body: { code: 'DKV_KEY_NOT_FOUND', message: expect.stringContaining('nobody') as string },
    });
  });

  it('tells in a conflict what is there', async () => {
    const { version } = await app.get(Dkv).addOrUpdate('k', 'taken');
    expect(await get('creations/k')).toMatchObject({
      status: 409,
      body: { code: 'DKV_CONFLICT', current: { version } },
    });
  });

  it('answers what a middleware threw', async () => {
    expect(await get('guarded')).toMatchObject({
      status: 503,
      body: { code: 'DKV_OVERLOADED', message: 'The store cannot serve this now. Try again later.' },
      type: 'application/json; charset=utf-8',
    });
  });

  it('breaks an answer off that has begun', async () => {
    await expect(fetch(`${url}/half`).then((response) => response.text())).rejects.toThrow();
  });
});

/** What the filter throws, as a resolver of GraphQL rejects with it. */
function thrown(error: DkvError): Error {
  try {
    new DkvExceptionFilter().catch(error, hostOf('graphql'));
  } catch (rethrown) {
    return rethrown as Error;
  }
  throw new Error('It did not fail.');
}

/** As Nest gives it to a filter. */
function hostOf(type: string, client?: object): ArgumentsHost {
  return { getType: () => type, switchToWs: () => ({ getClient: () => client }) } as unknown as ArgumentsHost;
}

describe('outside of HTTP', () => {
  const filter = new DkvExceptionFilter();
  const conflict = new DkvLockError('The lock is held.', 5);
  const told = { code: 'DKV_CONFLICT', message: 'The lock is held.', expiresAtMs: 5 };

  it('is thrown with its code in extensions to GraphQL', () => {
    const { code, message, ...rest } = told;
    const rethrown = thrown(conflict);
    expect(rethrown).toMatchObject({ message, extensions: { code, ...rest } });
    expect(rethrown.cause).toBeUndefined();
  });

  it('fails the observable of a microservice with a plain object', async () => {
    const answer = filter.catch(conflict, hostOf('rpc')) as Observable<never>;
    await expect(firstValueFrom(answer)).rejects.toEqual({ status: 'error', ...told });
  });

  it('is an event to a WebSocket', () => {
    const emit = vi.fn();
    expect(filter.catch(conflict, hostOf('ws', { emit }))).toBeUndefined();
    expect(emit.mock.calls).toEqual([['exception', { status: 'error', ...told }]]);
  });
});

describe('what is not the caller’s to know', () => {
  const tell = (code: DkvErrorCode) => thrown(new DkvError(code, INSIDES));

  it('is what no code says but those of the caller’s own request', () => {
    const own = CODES.filter((code) => tell(code).message === INSIDES);
    expect(own).toEqual([
      'DKV_INVALID_ARGUMENT',
      'DKV_INVALID_KEY',
      'DKV_VALUE_TOO_LARGE',
      'DKV_UNSUPPORTED',
      'DKV_KEY_NOT_FOUND',
      'DKV_CONFLICT',
      'DKV_LOCK_LOST',
    ]);
    for (const code of CODES.filter((one) => !own.includes(one))) {
      const text = JSON.stringify(tell(code)) + tell(code).message;
      expect(text).not.toMatch(/n2|10\.0|var/);
      expect(tell(code).message).not.toBe('');
    }
  });

  it('is in the log: where an operator is needed as an error, else for whoever looks', () => {
    tell('DKV_STORE_MISMATCH');
    expect(error.mock.calls).toEqual([
      [`DKV_STORE_MISMATCH: ${INSIDES}`, expect.stringContaining('DkvError') as string],
    ]);
    tell('DKV_NOT_APPLIED');
    expect(debug.mock.calls).toEqual([[`DKV_NOT_APPLIED: ${INSIDES}`]]);
    expect(error).toHaveBeenCalledOnce();
    tell('DKV_CONFLICT');
    expect(debug).toHaveBeenCalledOnce();
  });

  it('is not the value that is there in a conflict', () => {
    const current = { key: 'k', value: 'secret', modified: 0, version: 'v' };
    const answer = thrown(new DkvConflictError('no', current));
    expect(JSON.stringify(answer)).not.toContain('secret');
  });
});
