/** Probes for whoever runs the process. */
import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheck, type HealthCheckResult, HealthCheckService } from '@nestjs/terminus';
import { DkvHealthIndicator } from 'nestjs-dkv';

@ApiTags('operation')
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly dkv: DkvHealthIndicator,
  ) {}

  @Get('live')
  @HealthCheck()
  @ApiOperation({ summary: 'Whether the process turns; restart it only when this fails' })
  live(): Promise<HealthCheckResult> {
    return this.health.check([() => this.dkv.isLive()]);
  }

  @Get('ready')
  @HealthCheck()
  @ApiOperation({
    summary: 'Whether to send requests here; `degraded` (still 200) while other nodes are down',
  })
  ready(): Promise<HealthCheckResult> {
    return this.health.check([() => this.dkv.isReady()]);
  }
}
