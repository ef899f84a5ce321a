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
/** A gauge with labels costs 0.1 µs and garbage, as much as the rest of the door. */
const TELL_SKEW_EVERY_MS = 100;

/** What the last message of a member said of it that is rarely another. */
interface Member {
  /** As in the envelope. */
  readonly configuration: string;
  readonly disk: string | undefined;
  diskMet: boolean;
  /** Of the wall clock. */
  skewToldAtMs: number;
}

export class EnvelopeGuard {
  private readonly members = new Map<string, Member>();
  private readonly warnedAtMs = new Map<string, number>();
  private readonly configuration: string;

  constructor(
    private readonly view: ClusterView,
    private readonly maxClockOffsetMs: number,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly telemetry: Telemetry,
    private readonly disks?: Disks,
  ) {
    this.configuration = disks ? `${view.configuration}${DISK_MARK}${disks.own}` : view.configuration;
  }

  envelope(): PeerEnvelope {
    return { from: this.view.selfId, configuration: this.configuration, sentAtMs: this.clock.now() };
  }

  /**
   * @throws DkvError `DKV_CONFIGURATION_MISMATCH` from a node that is no member or sees another ring,
   *   `DKV_CLOCK_SKEW` from one whose clock is too far ahead: neither may touch a record; `DKV_DISK_LOST` for a vote
   *   of one that does not remember its votes.
   */
  check(envelope: PeerEnvelope & { readonly kind?: PeerRequestKind }): void {
    const { from, configuration, sentAtMs, kind } = envelope;
    let member = this.members.get(from);
    if (member?.configuration !== configuration) {
      member = this.admit(from, configuration);
    }
    const nowMs = this.clock.now();
    const aheadMs = sentAtMs - nowMs;
    if (aheadMs > this.maxClockOffsetMs) {
      this.telemetry.clockSkew(from, aheadMs / 1000);
      this.telemetry.clockSkewRefused(from);
      throw this.refuse(
        from,
        'DKV_CLOCK_SKEW',
        `The clock of node ${from} is ${aheadMs} ms ahead of node ${this.view.selfId}; at most ` +
          `${this.maxClockOffsetMs} ms (maxClockOffsetMs) are accepted. Synchronise the clocks.`,
      );
    }
    if (Math.abs(nowMs - member.skewToldAtMs) >= TELL_SKEW_EVERY_MS) {
      member.skewToldAtMs = nowMs;
      this.telemetry.clockSkew(from, aheadMs / 1000);
    }
    this.checkDisk(from, member, kind);
  }

  private admit(from: string, text: string): Member {
    const [configuration, disk] = text.split(DISK_MARK, 2);
    if (configuration !== this.view.configuration || !this.view.isMember(from)) {
      throw this.refuse(
        from,
        'DKV_CONFIGURATION_MISMATCH',
        `Node ${from} and node ${this.view.selfId} were started with different members, weights, zones, ` +
          `partitions, replicas or hash function. Give every node the same configuration.`,
      );
    }
    const member = { configuration: text, disk, diskMet: false, skewToldAtMs: -Infinity };
    this.members.set(from, member);
    return member;
  }

  private checkDisk(from: string, member: Member, kind: PeerRequestKind | undefined): void {
    const { disks } = this;
    if (!disks || member.disk === undefined) {
      return;
    }
    if (!member.diskMet) {
      disks.meet(from, member.disk);
      member.diskMet = true;
    }
    if (disks.isReplaced(from) && kind !== undefined && VOTES.includes(kind)) {
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
