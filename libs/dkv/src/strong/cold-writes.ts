/** Writes of keys that are not in memory: while one is read, those of the key wait in their order. */
import { type Request } from '../model/request.js';
import { type StrongRecord } from '../model/strong-record.js';
import { type AskedWrite } from './decision.js';
import {
  type Asker,
  type GroupCore,
  type GroupServices,
  nameOf,
  overloaded,
  refusalOf,
} from './group-parts.js';
import { IDEMPOTENCY_NAMESPACE } from './idempotency.js';

export interface WaitingWrite {
  readonly asker: Asker;
  readonly slot: number;
  readonly request: Request;
  readonly write: AskedWrite;
  readonly bytes: number;
}

/** Records that a write needs and that were read from the store for it. */
export interface LoadedRecords {
  /** In which they were read: another leader may have written since. */
  readonly term: number;
  readonly current: StrongRecord | undefined;
  readonly remembered: StrongRecord | undefined;
}

/** What is known of them before: null for none, undefined for what is to be read. */
export interface KnownRecords {
  readonly current: StrongRecord | null | undefined;
  readonly remembered: StrongRecord | null | undefined;
}

/** Of one key. */
const WRITES_MAX = 10_000;

export class ColdWrites {
  private readonly queues = new Map<string, WaitingWrite[]>();

  constructor(
    private readonly group: GroupCore,
    private readonly services: GroupServices,
    /** The first of a queue with what was read for it, the others with nothing. */
    private readonly resume: (waiting: WaitingWrite, loaded: LoadedRecords | undefined) => void,
  ) {}

  /** Puts the write behind those of its key that wait; false where none does. */
  joins(waiting: WaitingWrite): boolean {
    const queue = this.queues.size > 0 ? this.queues.get(nameOf(waiting.write)) : undefined;
    if (queue) {
      this.wait(queue, waiting);
    }
    return queue !== undefined;
  }

  /**
   * Asks the store for what is not known of the write's key, and of what is remembered under its idempotency key. What is
   * known may be of an entry that is not applied yet, which the store does not show; while the write waits, no other of
   * its key is decided.
   */
  read(rememberedKey: string | undefined, waiting: WaitingWrite, known: KnownRecords): void {
    const { namespace, key } = waiting.write;
    const name = nameOf(waiting.write);
    const queue: WaitingWrite[] = [];
    this.queues.set(name, queue);
    if (!this.wait(queue, waiting)) {
      this.queues.delete(name);
      return;
    }
    const { store } = this.services;
    const { number, raft } = this.group;
    const { term } = raft;
    const reading = Promise.all([
      known.current === undefined ? store.read(number, namespace, key) : (known.current ?? undefined),
      known.remembered === undefined
        ? store.read(number, IDEMPOTENCY_NAMESPACE, rememberedKey!)
        : (known.remembered ?? undefined),
    ]);
    reading.then(
      ([current, remembered]) => this.loaded(name, queue, { term, current, remembered }),
      (error: unknown) => this.refuse(name, queue, error),
    );
  }

  /** This node leads no more: gives those who wait. */
  clear(): readonly WaitingWrite[] {
    const waiting = [...this.queues.values()].flat();
    this.queues.clear();
    waiting.forEach(({ bytes }) => this.services.limits.cold.release(bytes));
    return waiting;
  }

  private wait(queue: WaitingWrite[], waiting: WaitingWrite): boolean {
    try {
      if (queue.length >= WRITES_MAX) {
        throw overloaded();
      }
      this.services.limits.cold.take(waiting.bytes);
    } catch (error) {
      waiting.asker.answer(waiting.slot, refusalOf(error));
      return false;
    }
    queue.push(waiting);
    return true;
  }

  private loaded(name: string, queue: WaitingWrite[], loaded: LoadedRecords): void {
    if (this.take(name, queue)) {
      queue.forEach((waiting, position) => this.resume(waiting, position === 0 ? loaded : undefined));
    }
  }

  private refuse(name: string, queue: WaitingWrite[], error: unknown): void {
    if (this.take(name, queue)) {
      const refusal = refusalOf(error);
      queue.forEach(({ asker, slot }) => asker.answer(slot, refusal));
    }
  }

  private take(name: string, queue: WaitingWrite[]): boolean {
    if (this.queues.get(name) !== queue) {
      return false;
    }
    this.queues.delete(name);
    queue.forEach(({ bytes }) => this.services.limits.cold.release(bytes));
    return true;
  }
}
