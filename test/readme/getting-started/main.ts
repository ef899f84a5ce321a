/** Starts the application. */
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DkvExceptionFilter } from 'nestjs-dkv';
import { AppModule } from './app.module.js';

const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter());
app.useGlobalFilters(new DkvExceptionFilter()); // a bad key is 400, a conflict 409, not applied 503, unknown 504
app.enableShutdownHooks(); // SIGTERM stops the node in order: leaderships go to others, then the store closes
await app.listen(process.env.PORT ?? 3000, '0.0.0.0');

export default app;
