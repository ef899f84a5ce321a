/** The RemoteKvRepo of a simulated node: one request to one peer over the simulated network. */
import { DkvError, isDkvError, type DkvErrorCode } from '../../src/dkv.errors.js';
import { type ClusterNode } from '../../src/model/node.js';
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../src/model/peer-protocol.js';
import { type Timer } from '../../src/ports/clock.js';
import {
  type PostLane,
  type RemoteKvMetrics,
  type RemoteKvRepo,
  type SendOptions,
} from '../../src/ports/remote-kv-repo.js';
import { never, type Incarnation } from './incarnation.js';
import { copyMessage } from './message-copy.js';
import { type SimLink } from './sim-link.js';
import { type SimNetwork } from './sim-network.js';

/** Of the requests that come twice, how many come long after, and by how long at most. */
const LATE_RATE = 0.3;
const LATE_MS_MAX = 12_000;

export class SimRemoteKvRepo implements RemoteKvRepo {
  private readonly open = new Set<Exchange>();
  private closed = false;
  private sentBytes = 0;
  private receivedBytes = 0;

  constructor(
    private readonly network: SimNetwork,
    private readonly self: Incarnation,
  ) {}

  send<K extends PeerRequestKind>(
    to: ClusterNode,
    request: PeerRequest<K>,
    options: SendOptions,
  ): Promise<PeerReply<K>> {
    if (!this.self.alive) {
      return never();
    }
    if (this.closed) {
      return Promise.reject(new DkvError('DKV_NOT_READY', `Node ${this.self.nodeId} is closing.`));
    }
    if (options.signal?.aborted === true) {
      return Promise.reject(aborted(to, options.signal));
    }
    return new Promise<PeerReply<K>>((resolve, reject) => {
      const { copy, bytes } = copyMessage(request);
      this.sentBytes += bytes;
      const exchange = new Exchange(this.network, this.self, to.nodeId, copy, {
        done: () => this.open.delete(exchange),
        received: (replyBytes) => (this.receivedBytes += replyBytes),
        resolve: resolve as (reply: PeerReply) => void,
        reject,
      });
      this.open.add(exchange);
      exchange.begin(options, bytes);
    });
  }

  post(to: ClusterNode, frame: Uint8Array, lane: PostLane): boolean {
    if (!this.self.alive || this.closed || !this.network.posts.post(this.self, to.nodeId, frame, lane)) {
      return false;
    }
    this.sentBytes += frame.length;
    return true;
  }

  onDisconnect(listener: (nodeId: string) => void): void {
    this.network.posts.listen(this.self, (nodeId) => {
      if (!this.closed) {
        listener(nodeId);
      }
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const exchange of [...this.open]) {
      exchange.fail('DKV_PEER_DISCONNECTED', `node ${this.self.nodeId} is closing`);
    }
  }

  metrics(): RemoteKvMetrics {
    return { sentBytes: this.sentBytes, receivedBytes: this.receivedBytes };
  }
}

interface ExchangeEnd {
  done(): void;
  received(bytes: number): void;
  resolve(reply: PeerReply): void;
  reject(error: DkvError): void;
}

/** One request on its way: settles once, and never after its sender is dead. */
class Exchange {
  private readonly out: SimLink;
  private readonly back: SimLink;
  private readonly label: string;
  private settled = false;
  private timer: Timer | undefined;
  private readonly undo: (() => void)[] = [];

  constructor(
    private readonly network: SimNetwork,
    private readonly from: Incarnation,
    private readonly to: string,
    private readonly request: PeerRequest,
    private readonly end: ExchangeEnd,
  ) {
    this.out = network.link(from.nodeId, to);
    this.back = network.link(to, from.nodeId);
    this.label = `${network.nextExchange()} ${request.kind}`;
  }

  begin({ timeoutMs, signal }: SendOptions, bytes: number): void {
    const { scheduler } = this.network;
    this.note('send', `${bytes} B`);
    this.timer = scheduler.after(
      Math.max(0, timeoutMs),
      () => this.fail('DKV_PEER_DISCONNECTED', `no answer in ${timeoutMs} ms`),
      this.from,
    );
    if (signal !== undefined) {
      const abort = (): void => this.settle(() => this.end.reject(aborted({ nodeId: this.to }, signal)));
      signal.addEventListener('abort', abort);
      this.undo.push(() => signal.removeEventListener('abort', abort));
    }
    if (this.out.random.chance(this.out.faults.overloadRate)) {
      this.after(() => this.fail('DKV_OVERLOADED', 'too many bytes wait to be sent'));
      return;
    }
    this.dispatch();
  }

  fail(code: DkvErrorCode, why: string): void {
    this.settle(() => {
      this.note('fail', code);
      this.end.reject(new DkvError(code, `Node ${this.to} was asked for ${this.request.kind}: ${why}.`));
    });
  }

  private dispatch(): void {
    const { connections } = this.network;
    const target = this.network.listener(this.to);
    if (this.out.cut && this.out.random.chance(connections.connectFailureRate)) {
      this.after(() => this.fail('DKV_PEER_UNREACHABLE', 'no connection could be made'));
      return;
    }
    // The request may still be on its way then: a later incarnation can get it, so this is never "unreachable".
    if (target !== undefined) {
      const reset = target.incarnation.onKill(() => {
        if (this.back.random.chance(connections.resetRate)) {
          this.back.carry(`${this.label} reset`, () =>
            this.fail('DKV_PEER_DISCONNECTED', 'the connection was reset'),
          );
        }
      });
      this.undo.push(reset);
    }
    this.out.carry(this.label, () => this.arrive());
  }

  /** The request is at its target. Refusing is certain knowledge: this is the only copy so far. */
  private arrive(): void {
    const listener = this.network.listener(this.to);
    if (listener === undefined) {
      if (this.back.random.chance(this.network.connections.refuseRate)) {
        this.back.carry(`${this.label} refused`, () =>
          this.fail('DKV_PEER_UNREACHABLE', 'the connection was refused'),
        );
      }
      return;
    }
    this.serve(true);
    if (this.out.random.chance(this.out.faults.duplicateRate)) {
      const again = () => this.out.carry(`${this.label} again`, () => this.serve(false));
      // A copy may have lain somewhere until nobody remembers what it was about.
      if (this.out.random.chance(LATE_RATE)) {
        this.network.scheduler.after(this.out.random.int(LATE_MS_MAX), again);
      } else {
        again();
      }
    }
  }

  private serve(answering: boolean): void {
    const listener = this.network.listener(this.to);
    if (listener === undefined) {
      return;
    }
    const { incarnation } = listener;
    const { scheduler } = this.network;
    if (incarnation.pausedUntilMs > scheduler.nowMs) {
      scheduler.after(incarnation.pausedUntilMs - scheduler.nowMs, () => this.serve(answering), incarnation);
      return;
    }
    this.network.serve(listener, copyMessage(this.request).copy).then(
      (reply) => {
        if (answering && incarnation.alive) {
          this.answer(reply);
        }
      },
      (error: unknown) => {
        if (!incarnation.alive) {
          return;
        }
        if (!isDkvError(error)) {
          this.network.scheduler.fail(error, `node ${incarnation.name} serving ${this.label}`);
        } else if (answering) {
          const { code, message } = error;
          this.back.carry(`${this.label} ${code}`, () => this.refuse(code, message));
        }
      },
    );
  }

  private answer(reply: PeerReply): void {
    let carried;
    try {
      carried = copyMessage(reply);
    } catch (error) {
      this.network.scheduler.fail(error, `node ${this.to} answering ${this.label}`);
      return;
    }
    const { copy, bytes } = carried;
    this.back.carry(`${this.label} answer ${bytes} B`, () =>
      this.settle(() => {
        this.end.received(bytes);
        this.end.resolve(copy);
      }),
    );
  }

  private refuse(code: DkvErrorCode, message: string): void {
    this.settle(() => this.end.reject(new DkvError(code, message)));
  }

  private settle(how: () => void): void {
    if (this.settled || !this.from.alive) {
      return;
    }
    this.settled = true;
    this.timer?.cancel();
    for (const undo of this.undo) {
      undo();
    }
    this.end.done();
    how();
  }

  /** A local failure takes a moment too. */
  private after(task: () => void): void {
    this.network.scheduler.after(this.out.random.delay(this.out.faults.delay), task, this.from);
  }

  private note(kind: string, detail: string): void {
    const { trace, scheduler } = this.network;
    trace.record(scheduler.nowMs, kind, `${this.from.name}>${this.to} ${this.label} ${detail}`);
  }
}

function aborted(to: { readonly nodeId: string }, signal: AbortSignal): DkvError {
  return new DkvError('DKV_ABORTED', `The request to node ${to.nodeId} was given up by the caller.`, {
    cause: signal.reason,
  });
}
