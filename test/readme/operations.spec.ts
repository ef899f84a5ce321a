/** The example of docs/operations.md works when run. */
import { Test } from '@nestjs/testing';
import { DkvAdmin, DkvModule } from 'nestjs-dkv';
import { expect, it } from 'vitest';
import { operate } from './operations-examples.js';

it('is what an application may ask of its cluster', async () => {
  const logger = { log: () => undefined, warn: () => undefined, error: () => undefined };
  const module = await Test.createTestingModule({
    imports: [DkvModule.forRoot({ nodeId: 'node2', storage: 'memory', logger })],
  }).compile();
  await module.init();
  await expect(operate(module.get(DkvAdmin))).resolves.toBeUndefined();
  await module.close();
});
