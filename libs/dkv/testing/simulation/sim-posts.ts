/** One-way frames of the simulated nodes, and who is told that a connection ended. */
import { type PostLane } from '../../src/ports/remote-kv-repo.js';
import { type Incarnation } from './incarnation.js';
import { type SimNetwork } from './sim-network.js';

/** Of the frames that come twice, how many come long after, and by how long at most. */
const LATE_RATE = 0.3;
const LATE_MS_MAX = 12_000;
/** Of the links that are cut, how many end a connection that somebody notices, and by when: as a keep-alive would. */
const CUT_NOTICED_RATE = 0.5;
const CUT_NOTICED_MS_MAX = 6000;
/** Until the last of them knows. */
const RESET_MS_MAX = 50;

type Listener = (nodeId: string) => void;

/**
 * Frames suffer what requests suffer: they are lost, late, and come twice, the second time perhaps long after. First copies
 * keep the order of their lane, as on a connection; that frames come once at most is more than whoever takes them may count
 * on, since a connection may be a new one at any moment.
 */
export class SimPosts {
  private readonly listeners = new Map<Incarnation, Listener[]>();

  constructor(private readonly network: SimNetwork) {}

  /** As `RemoteKvRepo.post`. */
  post(from: Incarnation, to: string, frame: Uint8Array, lane: PostLane): boolean {
    const { connections } = this.network;
    const out = this.network.link(from.nodeId, to);
    const { random, faults } = out;
    const isRefused =
      random.chance(faults.overloadRate) ||
      (out.cut && random.chance(connections.connectFailureRate)) ||
      (this.network.listener(to) === undefined && random.chance(connections.refuseRate));
    if (isRefused) {
      return false;
    }
    const bytes = new Uint8Array(frame);
    const label = `${this.network.nextExchange()} ${lane} ${bytes.length} B`;
    out.carryInOrder(lane, label, () => {
      this.deliver(from.nodeId, to, bytes, label);
      if (random.chance(faults.duplicateRate)) {
        const again = () => out.carry(`${label} again`, () => this.deliver(from.nodeId, to, bytes, label));
        if (random.chance(LATE_RATE)) {
          this.network.scheduler.after(random.int(LATE_MS_MAX), again);
        } else {
          again();
        }
      }
    });
    return true;
  }

  /** As `RemoteKvRepo.onDisconnect`, for as long as `self` lives. */
  listen(self: Incarnation, listener: Listener): void {
    const before = this.listeners.get(self);
    if (before) {
      before.push(listener);
    } else if (self.alive) {
      this.listeners.set(self, [listener]);
      self.onKill(() => this.listeners.delete(self));
    }
  }

  /** The process of `nodeId` is gone, which most of the others notice as soon as a packet can tell them. */
  ended(nodeId: string): void {
    const { connections } = this.network;
    for (const self of this.listeners.keys()) {
      const back = this.network.link(nodeId, self.nodeId);
      if (self.nodeId !== nodeId && back.random.chance(connections.resetRate)) {
        back.carry('disconnected', () => this.tell(self, nodeId));
      }
    }
  }

  /** Nothing passes from `from` to `to` any more: some time later one of them, or both, may give the connection up. */
  cut(from: string, to: string): void {
    const { random } = this.network.link(from, to);
    for (const self of this.listeners.keys()) {
      const other = self.nodeId === from ? to : self.nodeId === to ? from : undefined;
      if (other !== undefined && random.chance(CUT_NOTICED_RATE)) {
        this.network.scheduler.after(random.int(CUT_NOTICED_MS_MAX), () => this.tell(self, other), self);
      }
    }
  }

  /** What lies between them ends the connections of the others to `nodeId`, which hears nothing of it. */
  reset(nodeId: string): void {
    for (const self of this.listeners.keys()) {
      if (self.nodeId !== nodeId) {
        const { random } = this.network.link(nodeId, self.nodeId);
        this.network.scheduler.after(random.int(RESET_MS_MAX), () => this.tell(self, nodeId), self);
      }
    }
  }

  /** A copy for each delivery: the receiver may write to what it was shown. */
  private deliver(from: string, to: string, bytes: Uint8Array, label: string): void {
    const listener = this.network.listener(to);
    if (listener) {
      const { scheduler } = this.network;
      const pauseMs = listener.incarnation.pausedUntilMs - scheduler.nowMs;
      if (pauseMs > 0) {
        // It waits in the socket, and is read when the process goes on.
        scheduler.after(pauseMs, () => this.deliver(from, to, bytes, label), listener.incarnation);
        return;
      }
      try {
        listener.service.receive(from, new Uint8Array(bytes));
      } catch (error) {
        this.network.scheduler.fail(error, `node ${listener.incarnation.name} receiving ${label}`);
      }
    }
  }

  private tell(self: Incarnation, nodeId: string): void {
    for (const listener of this.listeners.get(self) ?? []) {
      listener(nodeId);
    }
  }
}
