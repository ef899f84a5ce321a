/** Brings {@link DkvHealthIndicator} to a host that uses Terminus. */
import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { DkvHealthIndicator } from './dkv-health-indicator.js';

@Module({
  imports: [TerminusModule],
  providers: [DkvHealthIndicator],
  exports: [DkvHealthIndicator],
})
export class DkvHealthModule {}
