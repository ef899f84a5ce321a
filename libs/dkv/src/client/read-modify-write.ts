/** Changes a strong key by what it holds: reads, asks what to make of it, compares and sets, and again on conflict. */
import { DkvError } from '../dkv.errors.js';
import { KeyLocks } from '../model/key-locks.js';
import { type WriteResult } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { appliedIn, type RequestId } from '../model/request-window.js';
import { NO_VERSION } from '../model/version.js';
import { type Clock } from '../ports/clock.js';
import { type Random } from '../ports/random.js';
import { Deadline } from '../cluster/deadline.js';
import { type Processor } from '../processor/processor.js';
import { Backoff } from './backoff.js';

const PAUSES = { firstMs: 2, lastMs: 200 };

export interface ChangeCall {
  readonly key: string;
  readonly ttlMs: number;
  readonly timeoutMs: number;
  readonly readTimeoutMs: number;
  readonly signal?: AbortSignal;
  /** The same for every attempt; undefined where the call is not repeated by its caller. */
  readonly requestId?: RequestId;
}

/** The bytes to store upon `current`; undefined deletes. Pure: it may be asked several times. */
export type Change = (current: KvRecord | undefined) => Promise<Uint8Array | undefined>;

export interface Changed {
  /** What the change that took effect came to; undefined: a delete. */
  readonly bytes: Uint8Array | undefined;
  readonly result: WriteResult;
  /** The request took effect in an earlier call: `result` tells what the key holds now, `bytes` means nothing. */
  readonly repeated: boolean;
}

type Ports = {
  readonly processor: Pick<Processor, 'get' | 'addOrUpdate' | 'remove'>;
  readonly clock: Clock;
  readonly random: Random;
};

/** What a change is made upon. */
interface Ground {
  readonly current: KvRecord | undefined;
  /** Told by a majority, not by this node's copy, which may trail. */
  readonly isLatest: boolean;
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
    let ground = await this.ownCopy(attempts);
    for (let conflicts = 1; ; conflicts++) {
      const outcome = await this.attempt(attempts, ground);
      if (!('current' in outcome)) {
        return outcome;
      }
      ground = outcome;
      await backoff.pause(deadline);
      assertInTime(call.key, deadline, `Others changed it before each of ${conflicts + 1} attempts.`);
    }
  }

  /** What it came to, or what a conflict told. */
  private async attempt(attempts: Attempts, ground: Ground): Promise<Changed | Ground> {
    const { call, deadline } = attempts;
    const { requestId } = call;
    const { current } = ground;
    if (current && requestId !== undefined && appliedIn(current.requests, requestId)) {
      return { bytes: undefined, result: asItStands(current), repeated: true };
    }
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.decide(attempts, current);
    } catch (error) {
      if (ground.isLatest || deadline.over) {
        throw error;
      }
      const latest = await this.read(call, 'linearizable', deadline);
      if (latest?.version === current?.version) {
        throw error;
      }
      return this.attempt(attempts, { current: latest, isLatest: true });
    }
    const result = await this.propose(call, bytes, current, deadline);
    return result.outcome === 'done'
      ? { bytes, result, repeated: requestId !== undefined && result.applied !== undefined }
      : { current: result.record, isLatest: true };
  }

  private async ownCopy({ call, deadline }: Attempts): Promise<Ground> {
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
  ): Promise<KvRecord | undefined> {
    const timeoutMs = Math.max(1, Math.min(readTimeoutMs, deadline.leftMs));
    return this.ports.processor.get(this.namespace, key, { level, timeoutMs, signal });
  }

  private async decide(
    { call, change, deadline }: Attempts,
    current: KvRecord | undefined,
  ): Promise<Uint8Array | undefined> {
    // Undefined is a decision: to delete.
    return deadline.race(change(current), () => {
      throw outOfTime(call.key, deadline, 'The change itself took all of the time.');
    });
  }

  private propose(
    { key, ttlMs, signal, requestId }: ChangeCall,
    bytes: Uint8Array | undefined,
    current: KvRecord | undefined,
    deadline: Deadline,
  ): Promise<WriteResult> {
    const { processor } = this.ports;
    const expected = current?.version ?? NO_VERSION;
    const options = { level: 'quorum', timeoutMs: deadline.leftMs, signal, expected, requestId } as const;
    return bytes === undefined
      ? processor.remove(this.namespace, key, options)
      : processor.addOrUpdate(this.namespace, key, bytes, { ...options, ttlMs });
  }
}

function asItStands(record: KvRecord): WriteResult {
  return { outcome: 'done', record, existed: true };
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
