/** Changes a strong key by what it holds: reads, asks what to make of it, compares and sets, and again on conflict. */
import { DkvError } from '../dkv.errors.js';
import { KeyLocks } from '../model/key-locks.js';
import { type ShownRecord } from '../model/shown-record.js';
import { UNREACHABLE_STRONG_VERSION } from '../model/strong-version.js';
import { NO_VERSION } from '../model/version.js';
import { type Clock } from '../ports/clock.js';
import { type Random } from '../ports/random.js';
import { Deadline } from '../cluster/deadline.js';
import { type Written } from '../processor/call-options.js';
import { type Processor } from '../processor/processor.js';
import { Backoff } from './backoff.js';

const PAUSES = { firstMs: 2, lastMs: 200 };
const NO_BYTES = new Uint8Array(0);

export interface ChangeCall {
  readonly key: string;
  readonly ttlMs: number;
  readonly timeoutMs: number;
  readonly readTimeoutMs: number;
  readonly signal?: AbortSignal;
  /** The caller's name of the request; undefined where it is not repeated. */
  readonly idempotencyKey?: string;
}

/** The bytes to store upon `current`; undefined deletes. Pure: it may be asked several times. */
export type Change = (current: ShownRecord | undefined) => Promise<Uint8Array | undefined>;

export interface Changed {
  /** What the change that took effect came to; undefined: a delete. */
  readonly bytes: Uint8Array | undefined;
  /** As committed; undefined after a delete. */
  readonly record: ShownRecord | undefined;
  /** The request took effect in an earlier call: `record` is what the key has now, `bytes` means nothing. */
  readonly repeated: boolean;
}

type Ports = {
  readonly processor: Pick<Processor, 'get' | 'addOrUpdate' | 'remove'>;
  readonly clock: Clock;
  readonly random: Random;
};

/** What a change is made upon. */
interface Basis {
  readonly current: ShownRecord | undefined;
  /** Told by a majority, not by this node's copy, which may trail. */
  readonly isLatest: boolean;
  /** The leader said that no earlier call of this name took effect. */
  readonly isFirst?: boolean;
}

interface Attempts {
  readonly call: ChangeCall;
  readonly change: Change;
  readonly deadline: Deadline;
}

export class ReadModifyWrite {
  private readonly turns = new KeyLocks();

  constructor(
    private readonly ports: Ports,
    private readonly namespace: string,
  ) {}

  /**
   * Starts from this node's own copy, which may trail: a compare-and-set finds out, and what `change` throws counts
   * only once it was shown the latest. Who met a conflict queues with the others of this node: left to chance, many at
   * once would mostly conflict with each other.
   * @throws DkvError `DKV_NOT_APPLIED` when others were faster until the time was over; what `change` throws.
   */
  async run(call: ChangeCall, change: Change): Promise<Changed> {
    const deadline = new Deadline(this.ports.clock, call.timeoutMs, call.signal);
    const attempts = { call, change, deadline };
    const first = await this.attempt(attempts, await this.ownCopy(attempts));
    return 'current' in first ? this.inTurn(attempts, () => this.attemptUntilDone(attempts)) : first;
  }

  private async attemptUntilDone(attempts: Attempts): Promise<Changed> {
    const { call, deadline } = attempts;
    const backoff = new Backoff(this.ports, PAUSES);
    let basis = await this.ownCopy(attempts);
    for (let conflicts = 1; ; conflicts++) {
      const outcome = await this.attempt(attempts, basis);
      if (!('current' in outcome)) {
        return outcome;
      }
      basis = outcome;
      await backoff.pause(deadline);
      assertInTime(call.key, deadline, `Others changed it before each of ${conflicts + 1} attempts.`);
    }
  }

  /** What it came to, or what a conflict told. */
  private async attempt(attempts: Attempts, basis: Basis): Promise<Changed | Basis> {
    const { call, deadline } = attempts;
    const { current } = basis;
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.decide(attempts, current);
    } catch (error) {
      return this.afterThrow(attempts, basis, error);
    }
    const { outcome, record, repeated } = await this.propose(call, bytes, current, deadline);
    if (outcome === 'conflict') {
      return { current: record, isLatest: true };
    }
    return repeated ? this.asItStands(attempts) : { bytes, record, repeated };
  }

  /**
   * What `change` throws counts when it was shown the latest, and when the request did not take effect before: a repeated
   * one may be shown what it made itself, and find it wanting.
   */
  private async afterThrow(attempts: Attempts, basis: Basis, error: unknown): Promise<Changed | Basis> {
    const { call, deadline } = attempts;
    const isKnown = basis.isLatest && (call.idempotencyKey === undefined || basis.isFirst);
    if (isKnown || deadline.over) {
      throw error;
    }
    let latest: ShownRecord | undefined;
    if (call.idempotencyKey === undefined) {
      latest = await this.read(call, 'linearizable', deadline);
    } else {
      const found = await this.probe(call, deadline);
      if (found.repeated) {
        return this.asItStands(attempts);
      }
      latest = found.record;
    }
    if (latest?.version === basis.current?.version) {
      throw error;
    }
    return this.attempt(attempts, { current: latest, isLatest: true, isFirst: true });
  }

  /** Writes nothing: it is refused with what the key has, unless a request of this name took effect before. */
  private probe({ key, signal, idempotencyKey }: ChangeCall, deadline: Deadline): Promise<Written> {
    return this.ports.processor.addOrUpdate(this.namespace, key, NO_BYTES, {
      level: 'quorum',
      ttlMs: 0,
      timeoutMs: deadline.leftMs,
      signal,
      idempotencyKey,
      expected: UNREACHABLE_STRONG_VERSION,
    });
  }

  private async asItStands({ call, deadline }: Attempts): Promise<Changed> {
    const record = await this.read(call, 'linearizable', deadline);
    return { bytes: undefined, record, repeated: true };
  }

  private async ownCopy({ call, deadline }: Attempts): Promise<Basis> {
    return { current: await this.read(call, 'one', deadline), isLatest: false };
  }

  /** Waiting for a turn ends with the time of the call; work that began is never left alone. */
  private async inTurn<T>({ call: { key }, deadline }: Attempts, work: () => Promise<T>): Promise<T> {
    let state: 'waiting' | 'begun' | 'left' = 'waiting';
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const result = this.turns.run(key, async () => {
      if (state === 'left') {
        return undefined;
      }
      state = 'begun';
      begin();
      return work();
    });
    await deadline.race(begun, () => {
      if (state === 'waiting') {
        state = 'left';
        throw outOfTime(key, deadline, 'Other changes of it were under way at this node.');
      }
    });
    return (await result)!;
  }

  private read(
    { key, readTimeoutMs, signal }: ChangeCall,
    level: 'one' | 'linearizable',
    deadline: Deadline,
  ): Promise<ShownRecord | undefined> {
    const timeoutMs = Math.max(1, Math.min(readTimeoutMs, deadline.leftMs));
    return this.ports.processor.get(this.namespace, key, { level, timeoutMs, signal });
  }

  private async decide(
    { call, change, deadline }: Attempts,
    current: ShownRecord | undefined,
  ): Promise<Uint8Array | undefined> {
    // Undefined is a decision: to delete.
    return deadline.race(change(current), () => {
      throw outOfTime(call.key, deadline, 'The change itself took all of the time.');
    });
  }

  private propose(
    { key, ttlMs, signal, idempotencyKey }: ChangeCall,
    bytes: Uint8Array | undefined,
    current: ShownRecord | undefined,
    deadline: Deadline,
  ): Promise<Written> {
    const { processor } = this.ports;
    const expected = current?.version ?? NO_VERSION;
    const options = {
      level: 'quorum',
      timeoutMs: deadline.leftMs,
      signal,
      expected,
      idempotencyKey,
    } as const;
    return bytes === undefined
      ? processor.remove(this.namespace, key, options)
      : processor.addOrUpdate(this.namespace, key, bytes, { ...options, ttlMs });
  }
}

function assertInTime(key: string, deadline: Deadline, why: string): void {
  deadline.assertWanted();
  if (deadline.over) {
    throw outOfTime(key, deadline, why);
  }
}

/** @throws DkvError `DKV_ABORTED` when that is why. */
function outOfTime(key: string, deadline: Deadline, why: string): DkvError {
  deadline.assertWanted();
  return new DkvError(
    'DKV_NOT_APPLIED',
    `Key ${JSON.stringify(key)} was not changed within ${deadline.timeoutMs} ms; nothing was written. ${why} Try ` +
      'again, give more time, or spread the changes over several keys.',
  );
}
