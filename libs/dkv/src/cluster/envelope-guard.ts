/** The door: what every message between peers must satisfy before its content is looked at. */
import { DkvError } from '../dkv.errors.js';
import { type PeerEnvelope } from '../model/peer-protocol.js';
import { type Clock } from '../ports/clock.js';
import { type Telemetry } from '../ports/telemetry.js';
import { type ClusterView } from './cluster-view.js';
import { type PeerTransitions } from './peer-transitions.js';

/** A gauge with labels costs 0.1 µs and garbage, as much as the rest of the door. */
const TELL_SKEW_EVERY_MS = 100;

/** What the last message of a member said of it that is rarely another. */
interface Member {
  /** As in the envelope. */
  readonly configuration: string;
  /** Of the wall clock. */
  skewToldAtMs: number;
}

export class EnvelopeGuard {
  private readonly members = new Map<string, Member>();

  constructor(
    private readonly view: ClusterView,
    private readonly maxClockOffsetMs: number,
    private readonly clock: Clock,
    private readonly transitions: PeerTransitions,
    private readonly telemetry: Telemetry,
  ) {}

  envelope(): PeerEnvelope {
    return { from: this.view.selfId, configuration: this.view.configuration, sentAtMs: this.clock.now() };
  }

  /**
   * @throws DkvError `DKV_CONFIGURATION_MISMATCH` from a node that is no member or sees another ring,
   *   `DKV_CLOCK_SKEW` from one whose clock is too far ahead: neither may touch a record.
   */
  check({ from, configuration, sentAtMs }: PeerEnvelope): void {
    let member = this.members.get(from);
    if (member?.configuration !== configuration) {
      member = this.admit(from, configuration);
    }
    const nowMs = this.clock.now();
    const aheadMs = sentAtMs - nowMs;
    if (aheadMs > this.maxClockOffsetMs) {
      this.telemetry.clockSkew(from, aheadMs / 1000);
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
  }

  private admit(from: string, configuration: string): Member {
    if (configuration !== this.view.configuration || !this.view.isMember(from)) {
      throw this.refuse(
        from,
        'DKV_CONFIGURATION_MISMATCH',
        `Node ${from} and node ${this.view.selfId} were started with different members, weights, zones, ` +
          `partitions, replicas or hash function, or with leaseReads and not alike in it or in electionTimeoutMs. ` +
          'Give every node the same configuration.',
      );
    }
    const member = { configuration, skewToldAtMs: -Infinity };
    this.members.set(from, member);
    return member;
  }

  private refuse(
    from: string,
    code: 'DKV_CONFIGURATION_MISMATCH' | 'DKV_CLOCK_SKEW',
    message: string,
  ): DkvError {
    const reason = code === 'DKV_CLOCK_SKEW' ? 'clock' : 'configuration';
    this.transitions.refused({ peer: from, reason, message });
    return new DkvError(code, message);
  }
}
