/** The door: what every message between peers must satisfy before its content is looked at. */
import { DkvError } from '../dkv.errors.js';
import { type PeerEnvelope } from '../model/peer-protocol.js';
import { type Clock } from '../ports/clock.js';
import { type Telemetry } from '../ports/telemetry.js';
import { type ClusterView } from './cluster-view.js';
import { strangerTo, unlikeSettings } from './fixed-settings.js';
import { type PeerTransitions } from './peer-transitions.js';

/** A gauge with labels costs 0.1 µs and garbage, as much as the rest of the door. */
const TELL_SKEW_EVERY_MS = 100;

/** What the last message of a node said of it that is rarely another. */
interface Sender {
  /** As in the envelope. */
  readonly configuration: string;
  /** Of the wall clock. */
  skewToldAtMs: number;
}

export class EnvelopeGuard {
  private readonly senders = new Map<string, Sender>();

  constructor(
    private readonly view: ClusterView,
    private readonly maxClockOffsetMs: number,
    private readonly clock: Clock,
    private readonly transitions: PeerTransitions,
    private readonly telemetry: Telemetry,
  ) {
    view.onConfiguration(() => this.senders.clear());
  }

  envelope(): PeerEnvelope {
    return { from: this.view.selfId, configuration: this.view.configuration, sentAtMs: this.clock.now() };
  }

  /**
   * @throws DkvError `DKV_CONFIGURATION_MISMATCH` from a node that is neither a member nor a guest, or of other settings,
   *   `DKV_CLOCK_SKEW` from one whose clock is too far ahead: neither may touch a record.
   */
  check({ from, configuration, sentAtMs }: PeerEnvelope): void {
    let sender = this.senders.get(from);
    if (sender?.configuration !== configuration) {
      sender = this.admit(from, configuration);
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
    if (Math.abs(nowMs - sender.skewToldAtMs) >= TELL_SKEW_EVERY_MS) {
      sender.skewToldAtMs = nowMs;
      this.telemetry.clockSkew(from, aheadMs / 1000);
    }
  }

  private admit(from: string, configuration: string): Sender {
    const { view } = this;
    if (configuration !== view.configuration) {
      throw this.refuse(
        from,
        'DKV_CONFIGURATION_MISMATCH',
        unlikeSettings(`Node ${from} and node ${view.selfId}`),
      );
    }
    if (!view.knows(from)) {
      throw this.refuse(from, 'DKV_CONFIGURATION_MISMATCH', strangerTo(`node ${view.selfId}`, from));
    }
    const sender = { configuration, skewToldAtMs: -Infinity };
    this.senders.set(from, sender);
    return sender;
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
