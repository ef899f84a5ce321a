/** Heartbeats between peers: who seems up, used to choose whom to ask and to refuse early, never for safety. */
import { isDkvError } from '../dkv.errors.js';
import { type Clock, type Timer } from '../ports/clock.js';
import { type Random } from '../ports/random.js';
import { type ClusterView } from './cluster-view.js';
import { type PeerClient, type PeerObserver } from './peer-client.js';

export interface LivenessOptions {
  /** Between two heartbeats to one peer. */
  readonly heartbeatIntervalMs: number;
  /** How long a heartbeat may take. */
  readonly heartbeatTimeoutMs: number;
}

/** Failures in a row after which a peer that does not answer counts as down. */
const FAILURES_TO_DOWN = 3;
/** A refused connection says more than silence: there is no process. */
const REFUSALS_TO_DOWN = 2;
/** A time-out that fires this much late shows that this node stood still, not its peer. */
const STALL_FACTOR = 1.5;

/** Of one peer. */
interface Signs {
  /** In a row. */
  failures: number;
  answeredAtMs: number;
}

export class Liveness implements PeerObserver {
  private readonly peerSigns = new Map<string, Signs>();
  private readonly timers = new Map<string, Timer>();
  private stopped = true;
  private ended = false;

  constructor(
    private readonly view: ClusterView,
    private readonly peers: PeerClient,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly options: LivenessOptions,
  ) {
    peers.observe(this);
  }

  /** Resolves when every peer was asked once, whether it answered or not. */
  async start(): Promise<void> {
    if (this.ended) {
      return;
    }
    this.stopped = false;
    await Promise.all(this.view.peers.map(({ nodeId }) => this.beat(nodeId)));
  }

  stop(): void {
    this.ended = true;
    this.stopped = true;
    for (const timer of this.timers.values()) {
      timer.cancel();
    }
    this.timers.clear();
  }

  answered(nodeId: string): void {
    const signs = this.signsOf(nodeId);
    signs.answeredAtMs = this.clock.monotonic();
    signs.failures = 0;
    this.view.setState(nodeId, 'up');
  }

  private failed(nodeId: string, limit: number): void {
    const signs = this.signsOf(nodeId);
    const failures = signs.failures + 1;
    signs.failures = Math.min(failures, FAILURES_TO_DOWN);
    if (this.view.stateOf(nodeId) !== 'down') {
      this.view.setState(nodeId, failures >= limit ? 'down' : 'suspect');
    }
  }

  private async beat(nodeId: string): Promise<void> {
    const startedAt = this.clock.monotonic();
    try {
      await this.peers.call(nodeId, 'ping', {}, { timeoutMs: this.options.heartbeatTimeoutMs });
      this.view.setSkewed(nodeId, false);
    } catch (error) {
      // Refused there because this clock is ahead, or refused here because that one is.
      const cause = isDkvError(error, 'DKV_PEER_DISCONNECTED') ? error.cause : error;
      this.view.setSkewed(nodeId, isDkvError(cause, 'DKV_CLOCK_SKEW'));
      this.judge(nodeId, startedAt, error);
    }
    if (!this.stopped) {
      // Jitter keeps the nodes of a cluster that was started at once from beating in step.
      const delayMs = this.options.heartbeatIntervalMs * (0.8 + 0.4 * this.random.next());
      this.timers.set(
        nodeId,
        this.clock.schedule(delayMs, () => void this.beat(nodeId)),
      );
    }
  }

  /**
   * A peer that answers with an error is there but cannot be worked with: other configuration, clock ahead, wrong
   * key. Silence counts unless this very process was too busy to listen, or something else was answered meanwhile.
   */
  private judge(nodeId: string, startedAt: number, error: unknown): void {
    const answers = !isDkvError(error, 'DKV_PEER_UNREACHABLE', 'DKV_PEER_DISCONNECTED', 'DKV_OVERLOADED');
    const stalled = this.clock.monotonic() - startedAt > STALL_FACTOR * this.options.heartbeatTimeoutMs;
    if (!answers && (stalled || this.signsOf(nodeId).answeredAtMs >= startedAt)) {
      return;
    }
    this.failed(nodeId, isDkvError(error, 'DKV_PEER_UNREACHABLE') ? REFUSALS_TO_DOWN : FAILURES_TO_DOWN);
  }

  private signsOf(nodeId: string): Signs {
    let signs = this.peerSigns.get(nodeId);
    if (!signs) {
      signs = { failures: 0, answeredAtMs: -1 };
      this.peerSigns.set(nodeId, signs);
    }
    return signs;
  }
}
