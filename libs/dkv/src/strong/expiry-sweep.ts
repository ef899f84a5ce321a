/** Removes what expired, at a bounded rate: one entry for many keys, by the leader of each group in turn. */
import { type Logger } from '../ports/logger.js';
import { type StrongStore } from '../ports/strong-store.js';
import { type GroupList } from './group-list.js';
import { type StrongGroup } from './strong-group.js';

/** Keys in one entry. */
const KEYS_MAX = 256;
/** Groups looked at in one tick. */
const GROUPS_PER_TICK = 4;

export class ExpirySweep {
  private at = 0;
  private isLooking = false;

  constructor(
    private readonly groups: GroupList,
    private readonly store: StrongStore,
    private readonly nowMs: () => number,
    private readonly logger: Logger,
  ) {}

  /** Once a heartbeat interval; does nothing while the look before is under way. */
  tick(): void {
    if (this.isLooking) {
      return;
    }
    const led: StrongGroup[] = [];
    for (const group of this.groups.values()) {
      if (this.store.mayExpire(group.number) && group.leads) {
        led.push(group);
      }
    }
    if (led.length === 0) {
      return;
    }
    this.isLooking = true;
    const looked = Array.from(
      { length: Math.min(GROUPS_PER_TICK, led.length) },
      () => led[this.at++ % led.length]!,
    );
    Promise.all(looked.map((group) => this.look(group))).then(
      () => (this.isLooking = false),
      (error: Error) => {
        this.isLooking = false;
        this.logger.warn(`Expired records could not be looked for: ${error.message}`);
      },
    );
  }

  private async look(group: StrongGroup): Promise<void> {
    const look = group.writes.beginExpiry();
    try {
      const records = await this.store.expired(group.number, this.nowMs(), KEYS_MAX);
      if (records.length > 0) {
        group.writes.removeExpired(look, records);
      }
    } finally {
      group.writes.endExpiry(look);
    }
  }
}
