/** Brings {@link DkvHealthIndicator} to a host. It needs no Terminus; whose controllers use Terminus imports `TerminusModule` beside it. */
import { Module } from '@nestjs/common';
import { DkvHealthIndicator, STATUS_IF_DEGRADED, statusIfDegraded } from './dkv-health-indicator.js';

@Module({
  providers: [{ provide: STATUS_IF_DEGRADED, useFactory: statusIfDegraded }, DkvHealthIndicator],
  exports: [DkvHealthIndicator],
})
export class DkvHealthModule {}
