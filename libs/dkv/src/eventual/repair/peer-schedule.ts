/** The schedule of repair: when a peer comes up, and at intervals, from the start until the end of the node. */
import { type CoreContext } from '../../cluster/core-context.js';
import { type Timer } from '../../ports/clock.js';

export interface PeerSchedulePlan {
  /** To the next pass. */
  readonly intervalMs: () => number;
  /** A peer has come up. Must not throw. */
  readonly peerUp: (nodeId: string) => void;
  /** It is time for a pass; the peers that are up. Must not throw. */
  readonly pass: (up: readonly string[]) => void;
}

export class PeerSchedule {
  private timer: Timer | undefined;
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
    this.context.view.onState((nodeId, state) => {
      if (state === 'up' && this.running) {
        this.plan.peerUp(nodeId);
      }
    });
    this.scheduleNext();
  }

  stop(): void {
    this.phase = 'ended';
    this.timer?.cancel();
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
