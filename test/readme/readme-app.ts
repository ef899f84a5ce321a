/** The README's example, as it stands there: compiled and run by the tests. */
import { Body, Controller, Get, Module, Param, Put } from '@nestjs/common';
import { Dkv, DkvModule, InjectDkv } from 'nestjs-dkv';

@Controller('carts')
class CartsController {
  constructor(@InjectDkv() private readonly carts: Dkv<{ items: string[] }>) {}

  @Put(':user')
  save(@Param('user') user: string, @Body() cart: { items: string[] }) {
    return this.carts.addOrUpdate(user, cart, { ttlMs: 3_600_000 });
  }

  @Get(':user')
  load(@Param('user') user: string) {
    return this.carts.get(user);
  }
}

@Module({ imports: [DkvModule.forRoot({ dataDir: process.env.DATA_DIR })], controllers: [CartsController] })
export class AppModule {}
