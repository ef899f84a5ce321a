/** The examples of docs/options.md work when run. */
import { Test } from '@nestjs/testing';
import { DkvModule } from 'nestjs-dkv';
import { expect, it } from 'vitest';
import { SessionsModule } from './options-examples.js';

const silent = { log() {}, warn() {}, error() {} };

it('declares namespaces for the module that uses them', async () => {
  const imports = [DkvModule.forRoot({ storage: 'memory', logger: silent }), SessionsModule];
  const module = await Test.createTestingModule({ imports }).compile();
  await module.init();
  const { sessions } = module.get(SessionsModule);
  expect((await sessions.addOrUpdate('7', { user: 'ada' })).value).toEqual({ user: 'ada' });
  await module.close();
});
