/** Health for Terminus, or any other check: is this node alive, is it ready, are its copies complete. */
import { Inject, Injectable } from '@nestjs/common';
import { DkvLifecycle } from '../dkv.lifecycle.js';

/** What a health check of Terminus takes, of version 11 or 12. With 12 and without Terminus the status may be `degraded` too. */
export type DkvHealth<K extends string = 'dkv'> = Record<
  K,
  { readonly status: 'up' | 'down'; readonly [detail: string]: unknown }
>;

/** DI token of what {@link statusIfDegraded} found. */
export const STATUS_IF_DEGRADED = Symbol('STATUS_IF_DEGRADED');

/** `degraded`, which Terminus 11 does not know: it would drop the whole answer, and gets `up` with the same details. */
export async function statusIfDegraded(): Promise<'up'> {
  const terminus = await import('@nestjs/terminus').catch(() => undefined);
  const isKnown = !terminus || 'degraded' in new terminus.HealthIndicatorService().check('dkv');
  return (isKnown ? 'degraded' : 'up') as 'up';
}

@Injectable()
export class DkvHealthIndicator {
  constructor(
    @Inject(STATUS_IF_DEGRADED) private readonly ifDegraded: 'up',
    @Inject(DkvLifecycle) private readonly lifecycle: DkvLifecycle,
  ) {}

  /** Up while the event loop turns: restart the process only when even this does not answer. */
  isLive<K extends string = 'dkv'>(key = 'dkv' as K): DkvHealth<K> {
    return healthOf(key, 'up');
  }

  /**
   * Ready: the store is open and writable, own copies are caught up, the process is not leaving. What ails other nodes, or
   * partitions without a majority of their voters, makes it degraded (still HTTP 200), never unready: an outage of one
   * pod must not take the others out. `reason` names nodes and partitions; plain up means that a write would succeed.
   */
  isReady<K extends string = 'dkv'>(key = 'dkv' as K): DkvHealth<K> {
    if (this.lifecycle.leaving) {
      return healthOf(key, 'down', { reason: 'leaving' });
    }
    const { ready, partitionsUnderReplicated, groupsWithoutQuorum } = this.lifecycle.standing;
    if (!ready) {
      return healthOf(key, 'down', { reason: this.lifecycle.unreadyReason });
    }
    const reason = this.lifecycle.degradedReason;
    return reason === undefined
      ? healthOf(key, 'up')
      : healthOf(key, this.ifDegraded, { reason, partitionsUnderReplicated, groupsWithoutQuorum });
  }
}

function healthOf<K extends string>(key: K, status: 'up' | 'down', details: object = {}): DkvHealth<K> {
  return { [key]: { status, ...details } } as DkvHealth<K>;
}
