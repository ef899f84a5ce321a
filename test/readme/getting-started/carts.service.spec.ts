/** How a service on the store is tested: with a store in memory. */
import { Test, type TestingModule } from '@nestjs/testing';
import { type Dkv, DkvError, DkvModule, getDkvToken } from 'nestjs-dkv';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Cart, CartsService } from './carts.service.js';

let module: TestingModule;
let carts: CartsService;

beforeEach(async () => {
  module = await Test.createTestingModule({
    imports: [DkvModule.forRoot({ storage: 'memory' }), DkvModule.forFeature([{ name: 'carts' }])],
    providers: [CartsService],
  }).compile();
  await module.init(); // opens the store
  carts = module.get(CartsService);
});

afterEach(() => module.close());

it('begins with an empty cart', async () => {
  expect(await carts.of('ada')).toEqual({ items: [] });
});

it('loses no item of requests that come at once', async () => {
  await Promise.all(['book', 'pen', 'ink'].map((item) => carts.add('ada', item)));
  const { items } = await carts.of('ada');
  expect([...items].sort()).toEqual(['book', 'ink', 'pen']);
});

it('passes on what the store says', async () => {
  const store = module.get<Dkv<Cart>>(getDkvToken('carts'), { strict: false });
  vi.spyOn(store, 'get').mockRejectedValue(new DkvError('DKV_TIMEOUT', 'nobody answered'));
  await expect(carts.of('ada')).rejects.toMatchObject({ code: 'DKV_TIMEOUT' });
});
