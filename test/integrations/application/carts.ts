/** What every application of `packed.spec.ts` does with the library, compiled in that application against its own packages. */
import { Body, Controller, Get, Module, Param, Put } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { Dkv, DkvExceptionFilter, DkvHealthModule, DkvModule, InjectDkv, StaticDiscovery } from 'nestjs-dkv';
import { ManualClock } from 'nestjs-dkv/testing';

const { NODE_ID, NODES, DATA_DIR, TRANSPORT } = process.env;

@Controller('carts')
class CartsController {
  constructor(@InjectDkv() private readonly carts: Dkv<{ items: string[] }>) {}

  @Put(':user')
  save(@Param('user') user: string, @Body() cart: { items: string[] }) {
    return this.carts.addOrUpdate(user, cart);
  }

  @Get(':user')
  load(@Param('user') user: string) {
    return this.carts.getOrThrow(user);
  }
}

@Controller('about')
class AboutController {
  constructor(private readonly dkv: Dkv) {}

  @Get()
  about() {
    return {
      engine: this.dkv.metrics().engine,
      node: process.versions.node,
      clock: new ManualClock(5).now(),
    };
  }
}

@Module({
  imports: [
    DkvModule.forRoot({
      nodeId: NODE_ID,
      dataDir: DATA_DIR,
      transport: TRANSPORT === 'http' ? 'http' : 'stream',
      apiKey: NODES ? 'a-secret-of-the-tests' : undefined,
      peerBind: '127.0.0.1',
      discovery: NODES ? StaticDiscovery.parse(NODES) : undefined,
    }),
    DkvHealthModule,
  ],
  controllers: [CartsController, AboutController],
  providers: [{ provide: APP_FILTER, useClass: DkvExceptionFilter }],
  exports: [DkvHealthModule],
})
export class CartsModule {}
