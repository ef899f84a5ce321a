/** The replica side: compares what a peer sends with what is held, and keeps the winner. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type PeerProtocol } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { physicalMsOf, type Version } from '../model/version.js';
import { type CoreContext } from '../cluster/core-context.js';
import { assertAskedInTime, assertTakesPart } from './asked-in-time.js';

/** Raising the clock's bound may take a turn or two when versions come from ahead; more is a fault. */
const STAMP_ATTEMPTS_MAX = 4;

export class Replica {
  constructor(private readonly context: CoreContext) {}

  /** The answer to a peer's `addOrUpdate`. @throws DkvError as `join`, and as `assertAskedInTime` */
  async addOrUpdate(
    partition: number,
    record: KvRecord,
    epoch: number | undefined,
  ): Promise<PeerProtocol['addOrUpdate']['answer']> {
    assertAskedInTime(this.context, partition, epoch);
    const stored = await this.join(partition, record);
    return { version: stored.version, newer: stored.version === record.version ? undefined : stored };
  }

  /**
   * Keeps the join of `record`, which another node stamped, and what is held; resolves with it when it is durable
   * here.
   * @throws DkvError `DKV_NOT_READY` where the partition is none of this node's; `DKV_CLOCK_SKEW` for a record from the future; `DKV_UNKNOWN_NAMESPACE`,
   *   `DKV_CONFIGURATION_MISMATCH`; of the repository; of the
   *   merger.
   */
  async join(partition: number, record: KvRecord): Promise<KvRecord> {
    const { local } = this.context;
    // A record of a strong namespace comes by its log alone: nobody would read or erase it here.
    this.context.namespaces.getEventual(record.namespace);
    const id = { partition, namespace: record.namespace, key: record.key };
    const stored = await local.update(id, (current) => {
      // Here, not before: what is handed over when the partition has left must be all that ever comes in.
      assertTakesPart(this.context, partition);
      const floor = local.floorOf(partition);
      if (record.version <= floor && (!current || current.version > floor)) {
        // Every node has held what this key had up to the floor, and forgotten it or written above it.
        return undefined;
      }
      this.assertNotFromTheFuture(record, current);
      const joined = this.joined(current, record);
      return joined === current ? undefined : joined;
    });
    return stored ?? record;
  }

  /** The join of two records, not stored. */
  joined(current: KvRecord | undefined, incoming: KvRecord): KvRecord {
    const { namespaces, versions, telemetry } = this.context;
    return namespaces.get(incoming.namespace).merger.join(current, incoming, (newer) => {
      telemetry.conflict();
      return versions.joinOf(newer);
    });
  }

  /** Runs `work` again when the version clock first had to make room. */
  async stamping<T>(atLeast: Version, work: (stamp: (seen?: Version) => Version) => Promise<T>): Promise<T> {
    const { versions } = this.context;
    let above = atLeast;
    for (let attempt = 1; ; attempt++) {
      await versions.reserve(above);
      try {
        return await work((seen) => {
          above = seen !== undefined && seen > above ? seen : above;
          return versions.next(seen);
        });
      } catch (error) {
        if (attempt >= STAMP_ATTEMPTS_MAX || !isDkvError(error, 'DKV_NOT_READY')) {
          throw error;
        }
      }
    }
  }

  /**
   * A version from far ahead would beat every later write. The sender's clock was checked at the door; this
   * catches what a node stamped before its clock was set right. A key that already is that far ahead can only
   * go on from there.
   */
  assertNotFromTheFuture(
    { key, version }: Pick<KvRecord, 'key' | 'version'>,
    current: KvRecord | undefined,
  ): void {
    const { clock, limits, versions, view } = this.context;
    // A node that is alone has nobody to disagree with: after its clock was set back it goes on above its own past.
    if (view.peers.length === 0 || !versions.isFarAhead(version)) {
      return;
    }
    const ms = physicalMsOf(version);
    if (!current || ms - physicalMsOf(current.version) > limits.maxClockOffsetMs) {
      throw new DkvError(
        'DKV_CLOCK_SKEW',
        `A version of key ${JSON.stringify(key)} is ${ms - clock.now()} ms ahead of the clock of node ` +
          `${this.context.view.selfId}. Synchronise the clocks; once they agree, repair goes on by itself.`,
      );
    }
  }
}
