/** Health for Terminus: is this node alive, is it ready, are its copies complete. */
import { Inject, Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { Dkv } from '../dkv.js';
import { DkvLifecycle } from '../dkv.lifecycle.js';

@Injectable()
export class DkvHealthIndicator {
  constructor(
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(Dkv) private readonly dkv: Dkv,
    @Inject(DkvLifecycle) private readonly lifecycle: DkvLifecycle,
  ) {}

  /** Up while the event loop turns: restart the process only when even this does not answer. */
  isLive<K extends string = 'dkv'>(key = 'dkv' as K): HealthIndicatorResult<K> {
    return this.indicators.check(key).up();
  }

  /**
   * Ready: the store is open and writable, own copies are caught up, the process is not leaving. What ails other nodes, or
   * partitions without a majority of their voters, makes it degraded (still HTTP 200), never unready: an outage of one
   * pod must not take the others out. `reason` names nodes and partitions; plain up means that a write would succeed.
   */
  isReady<K extends string = 'dkv'>(key = 'dkv' as K): HealthIndicatorResult<K> {
    const check = this.indicators.check(key);
    if (this.lifecycle.leaving) {
      return check.down({ reason: 'leaving' });
    }
    const { ready, partitionsUnderReplicated, groupsWithoutQuorum } = this.dkv.metrics();
    if (!ready) {
      return check.down({ reason: this.lifecycle.unreadyReason });
    }
    const reason = this.lifecycle.degradedReason;
    return reason === undefined
      ? check.up()
      : check.degraded({ reason, partitionsUnderReplicated, groupsWithoutQuorum });
  }
}
