/** An application on Fastify, with Terminus: one node of a cluster. */
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { DkvHealthIndicator } from 'nestjs-dkv';
import { CartsModule } from './carts.js';

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly dkv: DkvHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  check() {
    return this.health.check([() => this.dkv.isReady()]);
  }
}

@Module({ imports: [CartsModule, TerminusModule], controllers: [HealthController] })
class AppModule {}

async function start(): Promise<void> {
  // Fastify's default of 100 would turn long keys into unknown routes.
  const adapter = new FastifyAdapter({ routerOptions: { maxParamLength: 4096 } });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, adapter, {
    logger: ['warn', 'fatal'],
  });
  app.enableShutdownHooks();
  await app.listen(Number(process.env.PORT), '127.0.0.1');
}

void start();
