/** Finds out what became of rounds that nobody ended: their proposer died, or its notice was lost. */
import { idOf, type RecordId } from '../model/key.js';
import { NO_VERSION } from '../model/version.js';
import { type CoreContext } from '../cluster/core-context.js';
import { Deadline } from '../cluster/deadline.js';
import { type RequestIds } from '../eventual/request-ids.js';
import { atOnce } from '../eventual/repair/concurrently.js';
import { Rhythm } from '../eventual/repair/schedule.js';
import { type Acceptor } from './acceptor.js';
import { type Inspection } from './inspection.js';
import { type Proposer } from './proposer.js';

const INTERVAL_MS = 1_000;
/** A round that is this old has lost its notice: those under way take milliseconds. */
const SETTLE_AFTER_MS = 2_000;
/** Keys looked at in one go, so that a mass of open rounds does not crowd out the callers. */
const KEYS_MAX = 256;
const AT_ONCE = 8;

export class Settler {
  private readonly rhythm: Rhythm;
  /** Since when a round was seen open, by key and of this long list no more than the repository holds. */
  private readonly openSince = new Map<string, number>();

  constructor(
    private readonly context: CoreContext,
    private readonly acceptor: Acceptor,
    private readonly inspection: Inspection,
    private readonly proposer: Proposer,
    private readonly requestIds: RequestIds,
  ) {
    this.rhythm = new Rhythm(context, { intervalMs: () => INTERVAL_MS, pass: () => this.pass() });
  }

  start(): void {
    this.rhythm.start();
  }

  stop(): void {
    this.rhythm.stop();
  }

  private async pass(): Promise<void> {
    await atOnce(this.due(), AT_ONCE, async (id) => {
      if (this.rhythm.running) {
        await this.settle(id);
      }
    });
  }

  private due(): readonly RecordId[] {
    const { clock, local } = this.context;
    const now = clock.monotonic();
    const open = new Set<string>();
    const due: RecordId[] = [];
    for (const id of local.unsettled()) {
      const name = idOf(id);
      open.add(name);
      const since = this.openSince.get(name) ?? now;
      this.openSince.set(name, since);
      if (now - since >= SETTLE_AFTER_MS && due.length < KEYS_MAX) {
        due.push(id);
      }
    }
    for (const name of this.openSince.keys()) {
      if (!open.has(name)) {
        this.openSince.delete(name);
      }
    }
    return due;
  }

  /** Never rejects: what cannot be settled now is looked at again. */
  private async settle(id: RecordId): Promise<void> {
    const { clock, limits, local, logger } = this.context;
    try {
      const deadline = new Deadline(clock, 2 * limits.peerTimeoutMs);
      const { agreed } = await this.inspection.agreement(id, deadline);
      if (agreed?.record) {
        await this.acceptor.learn(id, agreed.record, agreed.ballot);
      }
      const { accepted, committed } = await local.getRound(id);
      if (accepted && accepted.record.version > (committed?.version ?? NO_VERSION)) {
        // It may have been decided, or may be yet: a round of this node's own ends that.
        const time = new Deadline(clock, 2 * limits.peerTimeoutMs);
        await this.proposer.settle(id, this.requestIds.next(), time);
      }
    } catch (error) {
      logger.debug?.(`The round of key ${JSON.stringify(id.key)} stays open: ${(error as Error).message}`);
    }
  }
}
