/** An application on Express: one embedded node, without Terminus and without Fastify. */
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type DkvHealth, DkvHealthIndicator } from 'nestjs-dkv';
import { CartsModule } from './carts.js';

@Controller('health')
class HealthController {
  constructor(private readonly dkv: DkvHealthIndicator) {}

  @Get()
  check(): { status: string; details: DkvHealth } {
    const details = this.dkv.isReady();
    return { status: details.dkv.status === 'down' ? 'error' : 'ok', details };
  }
}

@Module({ imports: [CartsModule], controllers: [HealthController] })
class AppModule {}

async function start(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  app.enableShutdownHooks();
  await app.listen(Number(process.env.PORT), '127.0.0.1');
}

void start();
