/** Makes tombstones of expired values: readers do not see them any more, and now their bytes go too. */
import { type WriteOperation, type WriteResult } from '../../model/peer-protocol.js';
import { type ExpiringKey } from '../../ports/local-kv-repo.js';
import { type CoreContext } from '../../cluster/core-context.js';
import { Deadline } from '../../cluster/deadline.js';
import { type RequestIds } from '../request-ids.js';
import { Schedule } from './schedule.js';

const INTERVAL_MS = 1_000;
/** While there is more than one pass takes. */
const BUSY_INTERVAL_MS = 100;
/** Expired values looked at in one pass, those that are another node's to remove among them. */
const KEYS_MAX = 1_000;
const CONCURRENT = 16;
const NO_BYTES = new Uint8Array(0);
/** The other nodes get the tombstone too; nobody waits for that. */
const LEVEL = 'one';

type Remove = (operation: WriteOperation, deadline: Deadline) => Promise<WriteResult>;

/**
 * The first reachable node of a key's list removes it, by a write like any other with one condition: what is there has
 * expired. A value that was renewed meanwhile stays, because the tombstone is stamped right above the value that
 * expired, and so below its renewal.
 */
export class ExpirySweeper {
  private readonly schedule: Schedule;
  /** Where the next pass goes on; undefined for the beginning. */
  private after: ExpiringKey | undefined;

  constructor(
    private readonly context: CoreContext,
    private readonly requestIds: RequestIds,
    private readonly write: Remove,
  ) {
    this.schedule = new Schedule(context, {
      intervalMs: () => (this.after ? BUSY_INTERVAL_MS : (context.limits.expiryIntervalMs ?? INTERVAL_MS)),
      pass: () => this.pass(),
    });
  }

  /** Does nothing after `stop`. */
  start(): void {
    this.schedule.start();
  }

  stop(): void {
    this.schedule.stop();
  }

  /** Never rejects. */
  private async pass(): Promise<void> {
    const { clock, limits, local, logger, telemetry } = this.context;
    if (local.failure) {
      return;
    }
    // By no clock in tolerance is such a value still visible.
    const expiredByMs = clock.now() - limits.maxClockOffsetMs;
    let expired: readonly ExpiringKey[] = [];
    try {
      expired = await local.expired(expiredByMs, KEYS_MAX, this.after);
    } catch (error) {
      logger.debug?.(`Expired values wait: ${(error as Error).message}`);
    }
    this.after = expired.length < KEYS_MAX ? undefined : expired.at(-1);
    const own = expired.filter((value) => this.isOwn(value)).values();
    let removed = 0;
    const worker = async () => {
      for (let step = own.next(); !step.done && this.schedule.running; step = own.next()) {
        removed += (await this.remove(step.value, expiredByMs)) ? 1 : 0;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT }, worker));
    if (removed > 0) {
      telemetry.expiredKeys(removed);
    }
  }

  /** Whether this node is the one to remove the value, and can. */
  private isOwn({ partition, namespace }: ExpiringKey): boolean {
    const { namespaces, view } = this.context;
    return namespaces.find(namespace)?.mode === 'eventual' && view.reachable(partition)[0] === view.selfId;
  }

  /** Whether the value became a tombstone; what fails is tried again in a later pass. */
  private async remove({ partition, namespace, key }: ExpiringKey, expiredByMs: number): Promise<boolean> {
    const { clock, limits, logger } = this.context;
    const operation: WriteOperation = {
      kind: 'remove',
      id: { partition, namespace, key },
      value: NO_BYTES,
      ttlMs: 0,
      level: LEVEL,
      expiredByMs,
      requestId: this.requestIds.next(),
    };
    try {
      const { record } = await this.write(operation, new Deadline(clock, 2 * limits.peerTimeoutMs));
      return record?.tombstone === true;
    } catch (error) {
      logger.debug?.(`Key ${JSON.stringify(key)} expired and stays for now: ${(error as Error).message}`);
      return false;
    }
  }
}
