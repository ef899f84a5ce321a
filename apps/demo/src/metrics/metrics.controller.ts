/** The store's figures for Prometheus. */
import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { DkvRegistry } from 'nestjs-dkv';
import { Registry } from 'prom-client';

@ApiTags('operation')
@Controller('metrics')
export class MetricsController {
  constructor(@Inject(DkvRegistry) private readonly registry: Registry) {}

  @Get()
  @Header('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
  @ApiOperation({ summary: 'Figures of this node in the text format of Prometheus' })
  @ApiProduces('text/plain')
  @ApiOkResponse({ type: String })
  metrics(): Promise<string> {
    return this.registry.metrics();
  }
}
