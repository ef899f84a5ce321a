/** The schedule of repair: when a member comes up or goes, and at intervals, from the start until the end of the node. */
import { type CoreContext } from '../../cluster/core-context.js';
import { type Timer } from '../../ports/clock.js';

export interface PeerSchedulePlan {
  /** To the next pass. */
  readonly intervalMs: () => number;
  /** Another member has come up, or one that is up has become a member. Must not throw. */
  readonly peerUp: (nodeId: string) => void;
  /** The node is no member any more. Must not throw. */
  readonly peerGone?: (nodeId: string) => void;
  /** It is time for a pass; the peers that are up. Must not throw. */
  readonly pass: (up: readonly string[]) => void;
}

export class PeerSchedule {
  private timer: Timer | undefined;
  private peers: ReadonlySet<string> = new Set();
  private phase: 'new' | 'running' | 'ended' = 'new';

  constructor(
    private readonly context: Pick<CoreContext, 'view' | 'clock'>,
    private readonly plan: PeerSchedulePlan,
  ) {}

  get running(): boolean {
    return this.phase === 'running';
  }

  /** Does nothing after `stop`: a node that is closed while it starts must stay closed. */
  start(): void {
    if (this.phase !== 'new') {
      return;
    }
    this.phase = 'running';
    const { view } = this.context;
    view.onState((nodeId, state) => {
      if (state === 'up' && this.running && view.isMember(nodeId)) {
        this.plan.peerUp(nodeId);
      }
    });
    this.peers = this.peersNow();
    view.onConfiguration(() => this.follow());
    this.scheduleNext();
  }

  stop(): void {
    this.phase = 'ended';
    this.timer?.cancel();
  }

  private follow(): void {
    const before = this.peers;
    this.peers = this.peersNow();
    if (!this.running) {
      return;
    }
    for (const nodeId of this.peers) {
      if (!before.has(nodeId) && this.context.view.stateOf(nodeId) === 'up') {
        this.plan.peerUp(nodeId);
      }
    }
    for (const nodeId of before) {
      if (!this.peers.has(nodeId)) {
        this.plan.peerGone?.(nodeId);
      }
    }
  }

  private peersNow(): ReadonlySet<string> {
    return new Set(this.context.view.peers.map(({ nodeId }) => nodeId));
  }

  private scheduleNext(): void {
    const { clock, view } = this.context;
    this.timer = clock.schedule(this.plan.intervalMs(), () => {
      const up = view.peers.map(({ nodeId }) => nodeId).filter((nodeId) => view.stateOf(nodeId) === 'up');
      this.plan.pass(up);
      if (this.running) {
        this.scheduleNext();
      }
    });
  }
}
