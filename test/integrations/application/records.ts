/** An application that keeps records in a strong and in an eventual namespace, for `convert.spec.ts`: one embedded node. */
import 'reflect-metadata';
import { Body, Controller, Delete, Get, Module, Param, Put, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Dkv, DkvExceptionFilter, DkvModule, InjectDkv } from 'nestjs-dkv';

@Controller()
class RecordsController {
  private readonly clients: Readonly<Record<string, Dkv>>;

  constructor(@InjectDkv('accounts') strong: Dkv, @InjectDkv('visits') eventual: Dkv) {
    this.clients = { accounts: strong, visits: eventual };
  }

  @Get('about')
  about() {
    return { engine: this.clients.accounts!.metrics().engine, node: process.versions.node };
  }

  @Put(':namespace/:key')
  save(
    @Param('namespace') namespace: string,
    @Param('key') key: string,
    @Body() value: object,
    @Query('ttlMs') ttlMs?: string,
  ) {
    return this.clients[namespace]!.addOrUpdate(key, value, { ttlMs: ttlMs ? Number(ttlMs) : undefined });
  }

  @Get(':namespace/:key')
  load(@Param('namespace') namespace: string, @Param('key') key: string) {
    return this.clients[namespace]!.getOrThrow(key);
  }

  @Delete(':namespace/:key')
  async remove(@Param('namespace') namespace: string, @Param('key') key: string) {
    return { removed: await this.clients[namespace]!.remove(key) };
  }
}

@Module({
  imports: [
    DkvModule.forRoot({ dataDir: process.env.DATA_DIR }),
    DkvModule.forFeature([{ name: 'accounts' }, { name: 'visits', mode: 'eventual' }]),
  ],
  controllers: [RecordsController],
})
class AppModule {}

async function start(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  app.useGlobalFilters(new DkvExceptionFilter());
  app.enableShutdownHooks();
  await app.listen(Number(process.env.PORT), '127.0.0.1');
}

void start();
