/** The example of docs/errors.md works when run. */
import { Controller, Delete } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Dkv, DkvModule } from 'nestjs-dkv';
import { expect, it } from 'vitest';
import { answer } from './errors-examples.js';

const silent = { log() {}, warn() {}, error() {} };

@Controller()
class KeysController {
  constructor(private readonly dkv: Dkv) {}

  @Delete()
  remove(): Promise<boolean> {
    return this.dkv.remove('');
  }
}

it('answers callers with the code and its status', async () => {
  const imports = [DkvModule.forRoot({ storage: 'memory', logger: silent })];
  const module = await Test.createTestingModule({ imports, controllers: [KeysController] }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
  answer(app);
  await app.init();
  const { statusCode, body } = await app.inject({ method: 'DELETE', url: '/' });
  expect([statusCode, JSON.parse(body)]).toMatchObject([400, { code: 'DKV_INVALID_KEY' }]);
  await app.close();
});
