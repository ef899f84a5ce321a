/** The application: the store, a namespace, health and metrics. */
import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { DkvHealthModule, DkvModule } from 'nestjs-dkv';
import { CartsController } from './carts.controller.js';
import { CartsService } from './carts.service.js';
import { DkvConfig, DkvConfigModule } from './dkv.config.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';

@Module({
  imports: [
    DkvModule.forRootAsync({
      imports: [DkvConfigModule],
      inject: [DkvConfig],
      useFactory: (config: DkvConfig) => config.options(),
    }),
    DkvModule.forFeature([{ name: 'carts', ttlMs: 86_400_000 }]),
    DkvHealthModule,
    TerminusModule,
  ],
  controllers: [CartsController, HealthController, MetricsController],
  providers: [CartsService],
})
export class AppModule {}
