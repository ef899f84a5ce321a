/** The store's figures for Prometheus. */
import { Controller, Get, Header, Inject } from '@nestjs/common';
import { DkvRegistry } from 'nestjs-dkv';
import { Registry } from 'prom-client';

@Controller('metrics')
export class MetricsController {
  constructor(@Inject(DkvRegistry) private readonly registry: Registry) {}

  @Get()
  @Header('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
  metrics(): Promise<string> {
    return this.registry.metrics();
  }
}
