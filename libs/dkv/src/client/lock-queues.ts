/** Callers of this node that wait for the same lock: they get it in the order in which they asked, and one asks for all. */
import { type Deadline } from '../cluster/deadline.js';
import { DkvError } from '../dkv.errors.js';
import { type Clock } from '../ports/clock.js';
import { type Random } from '../ports/random.js';
import { Backoff } from './backoff.js';
import { DkvLockError } from './conflict-error.js';

/** Callers of this node that may wait for one lock, and for all locks together. */
export const LOCK_WAITERS_MAX = 1_000;
export const ALL_LOCK_WAITERS_MAX = 10_000;
/** Between two questions of the first: a contended lock costs a node ten small questions a second, whoever waits. */
const PAUSES = { firstMs: 10, lastMs: 100 };
/** For so long a lock goes from caller to caller of one node at once; then callers of other nodes have the same chance. */
const HANDING_ON_MS = 500;

type Ports = { readonly clock: Clock; readonly random: Random };
type Taken = { readonly expiresAtMs: number };

interface LockQueue {
  /** In the order of asking; each is told when it is the first. */
  readonly waiters: Set<() => void>;
  /** What the first was told last: whoever gives up behind it is told the same. */
  refusal: DkvLockError | undefined;
  /** Ends the pause of the first. */
  wake: (() => void) | undefined;
  /** Until when a caller of this node holds the lock, as far as is known here; 0 where none does. */
  heldUntilMs: number;
  /** When this node got the lock from elsewhere, by the monotonic clock. */
  sinceMs: number | undefined;
  /** It was given back here, for the next caller of this node. */
  isHandedOn: boolean;
}

export class LockQueues {
  private readonly queues = new Map<string, LockQueue>();
  private waiting = 0;

  constructor(private readonly ports: Ports) {}

  /**
   * What `ask` gives, asked again until it does not reject with a {@link DkvLockError}: by the caller that came first, of
   * those that wait for the lock, the others after it.
   * @throws DkvLockError when it was not given before the deadline; DkvError `DKV_ABORTED`, `DKV_OVERLOADED`
   */
  async wait<T extends Taken>(
    lockKey: string,
    key: string,
    deadline: Deadline,
    ask: () => Promise<T>,
  ): Promise<T> {
    const queue = this.enter(lockKey, key);
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    queue.waiters.add(begin);
    this.waiting++;
    try {
      if (firstOf(queue) !== begin) {
        await deadline.race(begun, () => {
          throw lateBehindOthers(key, deadline, queue);
        });
      }
      return await this.askUntilGiven(queue, deadline, ask);
    } finally {
      this.leave(lockKey, queue, begin);
    }
  }

  /** A caller of this node gave the lock back. */
  released(lockKey: string): void {
    const queue = this.queues.get(lockKey);
    if (!queue) {
      return;
    }
    const nowMs = this.ports.clock.monotonic();
    queue.sinceMs ??= nowMs;
    queue.heldUntilMs = 0;
    if (nowMs - queue.sinceMs < HANDING_ON_MS) {
      queue.isHandedOn = true;
      queue.wake?.();
    }
  }

  private enter(lockKey: string, key: string): LockQueue {
    const known = this.queues.get(lockKey);
    if (known && known.waiters.size >= LOCK_WAITERS_MAX) {
      throw overloaded(`${known.waiters.size} callers of this node wait for the lock ${JSON.stringify(key)}`);
    }
    if (this.waiting >= ALL_LOCK_WAITERS_MAX) {
      throw overloaded(`${this.waiting} callers of this node wait for locks (${JSON.stringify(key)} is one)`);
    }
    const queue = known ?? {
      waiters: new Set(),
      refusal: undefined,
      wake: undefined,
      heldUntilMs: 0,
      sinceMs: undefined,
      isHandedOn: false,
    };
    this.queues.set(lockKey, queue);
    return queue;
  }

  private leave(lockKey: string, queue: LockQueue, waiter: () => void): void {
    const wasFirst = firstOf(queue) === waiter;
    queue.waiters.delete(waiter);
    this.waiting--;
    if (queue.waiters.size === 0) {
      this.queues.delete(lockKey);
    } else if (wasFirst) {
      firstOf(queue)!();
    }
  }

  private async askUntilGiven<T extends Taken>(
    queue: LockQueue,
    deadline: Deadline,
    ask: () => Promise<T>,
  ): Promise<T> {
    const backoff = new Backoff(this.ports, PAUSES);
    if (queue.heldUntilMs > 0) {
      await this.pause(queue, backoff, deadline, queue.heldUntilMs);
    }
    for (;;) {
      try {
        const taken = await ask();
        if (!queue.isHandedOn) {
          queue.sinceMs = this.ports.clock.monotonic();
        }
        queue.isHandedOn = false;
        queue.heldUntilMs = taken.expiresAtMs;
        return taken;
      } catch (error) {
        if (!(error instanceof DkvLockError)) {
          throw error;
        }
        queue.refusal = error;
        queue.isHandedOn = false;
        deadline.assertWanted();
        if (deadline.over) {
          throw error;
        }
        await this.pause(queue, backoff, deadline, error.expiresAtMs ?? 0);
      }
    }
  }

  /** Until the lock may be free, or another question is due. */
  private async pause(
    queue: LockQueue,
    backoff: Backoff,
    deadline: Deadline,
    untilMs: number,
  ): Promise<void> {
    const woken = new Promise<void>((resolve) => (queue.wake = resolve));
    await backoff.pause(deadline, Math.max(1, untilMs - this.ports.clock.now()), woken);
    queue.wake = undefined;
  }
}

function firstOf({ waiters }: LockQueue): (() => void) | undefined {
  return waiters.values().next().value;
}

/** @throws DkvError `DKV_ABORTED` when that is why. */
function lateBehindOthers(key: string, deadline: Deadline, { refusal, waiters }: LockQueue): DkvLockError {
  deadline.assertWanted();
  return new DkvLockError(
    `The lock ${JSON.stringify(key)} was not to be had within ${deadline.timeoutMs} ms: of this node alone, ` +
      `${waiters.size} callers wait for it. Try again, or give a longer waitMs.`,
    refusal?.expiresAtMs,
  );
}

function overloaded(what: string): DkvError {
  return new DkvError(
    'DKV_OVERLOADED',
    `${what}; the limit is ${LOCK_WAITERS_MAX} for one lock and ${ALL_LOCK_WAITERS_MAX} for all. Nothing was asked. Try ` +
      'again later, hold the lock for less time, or lock something smaller.',
  );
}
