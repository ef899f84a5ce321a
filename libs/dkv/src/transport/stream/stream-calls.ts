/** The requests of one connection that have no answer yet: what they cost, when they are given up. */
import { onAbort } from '../../model/abort-listeners.js';
import { DkvError } from '../../dkv.errors.js';
import { type PeerReply, type PeerRequestKind } from '../../model/peer-protocol.js';
import { type Clock, type Timer } from '../../ports/clock.js';
import { type SendOptions } from '../../ports/remote-kv-repo.js';
import { type Outgoing } from './outgoing.js';

export interface Call {
  readonly kind: PeerRequestKind;
  readonly outgoing: Outgoing;
  readonly options: SendOptions;
  /** Of the monotonic clock, as all moments here. */
  readonly startedMs: number;
  readonly resolve: (reply: PeerReply) => void;
  readonly reject: (error: DkvError) => void;
  /** Ends the wait for the caller's signal. */
  forgetSignal: (() => void) | undefined;
}

/** So that a flood of requests without values meets the bound as well: about what one costs in memory. */
export const REQUEST_COST_BYTES = 1024;

/** Bytes of requests to one peer that are not answered, on all its connections. */
export class InFlightBytes {
  private bytes = 0;

  constructor(
    private readonly max: number,
    private readonly peer: string,
  ) {}

  /** @throws DkvError `DKV_OVERLOADED` */
  take(outgoing: Outgoing): void {
    const bytes = this.bytes + costOf(outgoing);
    if (bytes > this.max) {
      throw new DkvError(
        'DKV_OVERLOADED',
        `${this.peer}: requests to it that are not answered yet would have ${bytes} bytes, and ${this.max} are allowed. ` +
          `Try again later.`,
      );
    }
    this.bytes = bytes;
  }

  give(outgoing: Outgoing): void {
    this.bytes -= costOf(outgoing);
  }
}

/** One timer for all calls, at the earliest moment at which one can be over: a timer for each costs more than it. */
export class StreamCalls {
  private readonly calls = new Map<number, Call>();
  private timer: Timer | undefined;
  private timerDueMs = Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly inFlight: InFlightBytes,
    private readonly giveUp: (call: Call, reason: string) => void,
  ) {}

  get size(): number {
    return this.calls.size;
  }

  has(id: number): boolean {
    return this.calls.has(id);
  }

  /** @throws DkvError `DKV_OVERLOADED` */
  admit(outgoing: Outgoing): void {
    this.inFlight.take(outgoing);
  }

  /** Of a call that was admitted. */
  add(call: Call): void {
    this.calls.set(call.outgoing.id, call);
    this.wakeAt(dueMs(call));
    const { signal } = call.options;
    if (signal) {
      call.forgetSignal = onAbort(signal, () => this.giveUp(call, 'aborted'));
    }
  }

  /** The call of this id, which is no longer waited for; undefined if none is. */
  take(id: number): Call | undefined {
    const call = this.calls.get(id);
    if (call) {
      this.calls.delete(id);
      this.inFlight.give(call.outgoing);
      call.forgetSignal?.();
    }
    return call;
  }

  /** Those of which the peer cannot have carried out anything. */
  unsent(): Call[] {
    return [...this.calls.values()].filter(({ outgoing }) => !outgoing.sent);
  }

  /** All of them, none of which is waited for any longer. */
  takeAll(): Call[] {
    const calls = [...this.calls.keys()].map((id) => this.take(id)!);
    this.timer?.cancel();
    this.timer = undefined;
    this.timerDueMs = Infinity;
    return calls;
  }

  private wakeAt(dueAtMs: number): void {
    if (dueAtMs < this.timerDueMs) {
      this.timer?.cancel();
      this.timerDueMs = dueAtMs;
      this.timer = this.clock.schedule(Math.max(0, dueAtMs - this.clock.monotonic()), this.wake);
    }
  }

  private readonly wake = (): void => {
    this.timerDueMs = Infinity;
    const nowMs = this.clock.monotonic();
    let nextMs = Infinity;
    for (const call of this.calls.values()) {
      const due = dueMs(call);
      if (due > nowMs) {
        nextMs = Math.min(nextMs, due);
      } else {
        const { timeoutMs, unsentTimeoutMs = timeoutMs } = call.options;
        this.giveUp(
          call,
          call.outgoing.sent ? `no answer in ${timeoutMs} ms` : `not sent in ${unsentTimeoutMs} ms`,
        );
      }
    }
    if (nextMs < Infinity) {
      this.wakeAt(nextMs);
    }
  };
}

function dueMs({ outgoing, options, startedMs }: Call): number {
  const { timeoutMs, unsentTimeoutMs = timeoutMs } = options;
  return startedMs + (outgoing.sent ? timeoutMs : Math.min(timeoutMs, unsentTimeoutMs));
}

function costOf({ bytes }: Outgoing): number {
  return bytes.length + REQUEST_COST_BYTES;
}
