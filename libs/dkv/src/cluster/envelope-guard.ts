/** The door: what every message between peers must satisfy before its content is looked at. */
import { DkvError } from '../dkv.errors.js';
import { type PeerEnvelope, type PeerRequestKind } from '../model/peer-protocol.js';
import { type Clock } from '../ports/clock.js';
import { type Logger } from '../ports/logger.js';
import { type Telemetry } from '../ports/telemetry.js';
import { type ClusterView } from './cluster-view.js';
import { type Disks } from './disks.js';

/** Between the configuration and the sender's disk. */
const DISK_MARK = '@';
/** Requests and answers that count because their sender remembers them. */
const VOTES: readonly PeerRequestKind[] = ['prepare', 'accept', 'inspect'];
const WARN_EVERY_MS = 10_000;

export class EnvelopeGuard {
  private readonly warnedAtMs = new Map<string, number>();

  constructor(
    private readonly view: ClusterView,
    private readonly maxClockOffsetMs: number,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly telemetry: Telemetry,
    private readonly disks?: Disks,
  ) {}

  envelope(): PeerEnvelope {
    const { view, disks, clock } = this;
    const configuration = disks ? `${view.configuration}${DISK_MARK}${disks.own}` : view.configuration;
    return { from: view.selfId, configuration, sentAtMs: clock.now() };
  }

  /**
   * @throws DkvError `DKV_CONFIGURATION_MISMATCH` from a node that is no member or sees another ring,
   *   `DKV_CLOCK_SKEW` from one whose clock is too far ahead: neither may touch a record; `DKV_DISK_LOST` for a vote
   *   of one that does not remember its votes.
   */
  check(envelope: PeerEnvelope & { readonly kind?: PeerRequestKind }): void {
    const { from, sentAtMs, kind } = envelope;
    const [configuration, disk] = envelope.configuration.split(DISK_MARK, 2);
    if (configuration !== this.view.configuration || !this.view.isMember(from)) {
      throw this.refuse(
        from,
        'DKV_CONFIGURATION_MISMATCH',
        `Node ${from} and node ${this.view.selfId} were started with different members, weights, zones, ` +
          `partitions, replicas or hash function. Give every node the same configuration.`,
      );
    }
    const aheadMs = sentAtMs - this.clock.now();
    this.telemetry.clockSkew(from, aheadMs / 1000);
    if (aheadMs > this.maxClockOffsetMs) {
      this.telemetry.clockSkewRefused(from);
      throw this.refuse(
        from,
        'DKV_CLOCK_SKEW',
        `The clock of node ${from} is ${aheadMs} ms ahead of node ${this.view.selfId}; at most ` +
          `${this.maxClockOffsetMs} ms (maxClockOffsetMs) are accepted. Synchronise the clocks.`,
      );
    }
    this.checkDisk(from, disk, kind);
  }

  private checkDisk(from: string, disk: string | undefined, kind: PeerRequestKind | undefined): void {
    const { disks } = this;
    if (!disks || disk === undefined) {
      return;
    }
    disks.meet(from, disk);
    if (kind !== undefined && VOTES.includes(kind) && disks.isReplaced(from)) {
      throw new DkvError(
        'DKV_DISK_LOST',
        `Node ${from} has another data folder than it had: it takes no part in the rounds of strong keys.`,
      );
    }
  }

  private refuse(
    from: string,
    code: 'DKV_CONFIGURATION_MISMATCH' | 'DKV_CLOCK_SKEW',
    message: string,
  ): DkvError {
    const now = this.clock.monotonic();
    const last = this.warnedAtMs.get(from);
    // Senders are named by the message itself: forget them all rather than grow.
    if (this.warnedAtMs.size > 1000) {
      this.warnedAtMs.clear();
    }
    if (last === undefined || now - last > WARN_EVERY_MS) {
      this.warnedAtMs.set(from, now);
      this.logger.warn(message);
    }
    return new DkvError(code, message);
  }
}
