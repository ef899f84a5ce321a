/** Virtual time: one heap of events, each run to its last microtask before the next begins. */
import { setImmediate } from 'node:timers';
import { type Timer } from '../../src/ports/clock.js';
import { EventHeap, type HeapEntry } from './event-heap.js';
import { type Incarnation } from './incarnation.js';
import { guardRejections } from './rejection-guard.js';

/** Why a run ended: nothing left to happen, the time was reached, the condition held. */
export type RunEnd = 'quiet' | 'time' | 'condition';

export interface RunOptions {
  /** Ends at this virtual time, which is then the present. */
  readonly untilMs?: number;
  /** Asked before every event, when the one before is done to its last microtask. */
  readonly until?: () => boolean;
  /** More events than this in one run are an error. Default 10 million. */
  readonly eventsMax?: number;
}

export interface SchedulerOptions {
  /** So many events at one virtual time are taken for a livelock. Default 100,000. */
  readonly eventsPerInstantMax?: number;
}

/** A run that cannot count: an error escaped, or it would not come to an end. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError';
}

interface SimEvent extends HeapEntry {
  timeMs: number;
  /** Emptied when cancelled, so that what it holds can be collected before its time comes. */
  task: (() => void) | undefined;
  readonly owner: Incarnation | undefined;
}

/** How many steps are queued per turn of the real event loop: a turn costs a system call. */
const STEPS_PER_TURN = 32;
const EVENTS_MAX = 10_000_000;
const EVENTS_PER_INSTANT_MAX = 100_000;

/**
 * Runs the events of a simulation in the order of (time, insertion). Between two events all promise reactions
 * are drained: each event runs in a setImmediate callback of its own, and Node empties the microtask and
 * nextTick queues between two of those (also within one turn of the loop). The code under test may therefore
 * use promises and the ports, and no real I/O, timers or immediates.
 */
export class SimScheduler {
  private readonly heap = new EventHeap<SimEvent>();
  private readonly eventsPerInstantMax: number;
  private sequence = 0;
  private presentMs = 0;
  private fired = 0;
  private firedAtInstant = 0;
  private running = false;
  private failure: { readonly reason: unknown; readonly where: string } | undefined;

  constructor(options: SchedulerOptions = {}) {
    this.eventsPerInstantMax = options.eventsPerInstantMax ?? EVENTS_PER_INSTANT_MAX;
  }

  /** Virtual milliseconds since the simulation began; has fractions, never goes back. */
  get nowMs(): number {
    return this.presentMs;
  }

  /** Events run so far. */
  get events(): number {
    return this.fired;
  }

  /** Runs `task` once, `delayMs` from now, unless it is cancelled or `owner` is dead by then. */
  after(delayMs: number, task: () => void, owner?: Incarnation): Timer {
    if (!(delayMs >= 0)) {
      throw new TypeError(`A delay is 0 or more milliseconds, got ${delayMs}.`);
    }
    // Whole microseconds: sums of fractions stay readable and equal in every run.
    const timeMs = Math.round((this.presentMs + delayMs) * 1000) / 1000;
    const event: SimEvent = { timeMs, sequence: this.sequence++, task, owner };
    this.heap.push(event);
    return {
      cancel: () => {
        event.task = undefined;
      },
    };
  }

  /** Resolves `delayMs` from now; never, when `owner` is dead by then. */
  sleep(delayMs: number, owner?: Incarnation): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve, owner));
  }

  /** Makes the run that is under way fail, and every later one: an error escaped from the code under test. */
  fail(reason: unknown, where: string): void {
    this.failure ??= { reason, where };
  }

  /**
   * Runs events until nothing is left to happen, or until what `options` say. Without limits a simulation with
   * heartbeats never ends but by its event budget. What escapes from the code under test meanwhile (an error of a
   * timer, an unhandled rejection) rejects.
   * @throws SimulationError with the escaped error as its `cause`, or when a limit of events is passed
   */
  async run(options: RunOptions = {}): Promise<RunEnd> {
    if (this.running) {
      throw new TypeError('A run of this scheduler is under way; wait for it to end.');
    }
    this.running = true;
    const release = guardRejections((reason) => this.fail(reason, 'a rejection was not handled'));
    try {
      return await this.steps(options);
    } finally {
      release();
      this.running = false;
    }
  }

  /** Runs for so many more virtual milliseconds. */
  runFor(durationMs: number, options: Omit<RunOptions, 'untilMs'> = {}): Promise<RunEnd> {
    return this.run({ ...options, untilMs: this.presentMs + durationMs });
  }

  /**
   * Runs until `promise` settles and answers like it.
   * @throws SimulationError when nothing is left to happen and it still has not: it would wait for ever
   */
  async settle<T>(promise: Promise<T>, options: RunOptions = {}): Promise<T> {
    let settled = false;
    const mark = (): void => void (settled = true);
    promise.then(mark, mark);
    const end = await this.run({ ...options, until: () => settled || (options.until?.() ?? false) });
    if (!settled) {
      throw new SimulationError(
        `The promise is still pending at ${this.presentMs} ms, and the run ended: ${end}.`,
      );
    }
    return promise;
  }

  private steps(options: RunOptions): Promise<RunEnd> {
    const eventsMax = this.fired + (options.eventsMax ?? EVENTS_MAX);
    return new Promise<RunEnd>((resolve, reject) => {
      let ended = false;
      const step = (): void => {
        if (ended) {
          return;
        }
        try {
          const end = this.endOf(options, eventsMax);
          if (end !== undefined) {
            ended = true;
            resolve(end);
          } else {
            this.fire();
          }
        } catch (error) {
          ended = true;
          reject(error instanceof Error ? error : new SimulationError(String(error)));
        }
      };
      const turn = (): void => {
        if (!ended) {
          for (let queued = 0; queued < STEPS_PER_TURN; queued++) {
            setImmediate(step);
          }
          setImmediate(turn);
        }
      };
      turn();
    });
  }

  private endOf(options: RunOptions, eventsMax: number): RunEnd | undefined {
    if (this.failure !== undefined) {
      const { reason, where } = this.failure;
      const text = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
      throw new SimulationError(`At ${this.presentMs} ms, ${where}: ${text}`, { cause: reason });
    }
    if (options.until?.() === true) {
      return 'condition';
    }
    const next = this.nextEvent();
    if (next === undefined || (options.untilMs !== undefined && next.timeMs > options.untilMs)) {
      this.presentMs = Math.max(this.presentMs, options.untilMs ?? 0);
      return options.untilMs === undefined ? 'quiet' : 'time';
    }
    if (this.fired >= eventsMax) {
      throw new SimulationError(
        `The event budget is spent at ${this.presentMs} ms after ${this.fired} events: a livelock, or a run without an end.`,
      );
    }
    return undefined;
  }

  /** The next event that will really happen; what was cancelled or belongs to the dead is dropped on the way. */
  private nextEvent(): SimEvent | undefined {
    for (;;) {
      const event = this.heap.peek();
      if (event === undefined || (event.task !== undefined && event.owner?.alive !== false)) {
        return event;
      }
      this.heap.pop();
    }
  }

  private fire(): void {
    const event = this.heap.pop();
    if (event?.task === undefined) {
      return;
    }
    this.fired++;
    this.firedAtInstant = event.timeMs === this.presentMs ? this.firedAtInstant + 1 : 0;
    if (this.firedAtInstant > this.eventsPerInstantMax) {
      throw new SimulationError(
        `A livelock: ${this.firedAtInstant} events at ${this.presentMs} ms without time moving on.`,
      );
    }
    this.presentMs = event.timeMs;
    if (event.owner !== undefined && event.owner.pausedUntilMs > this.presentMs) {
      // The loop of its process stands still: it runs when that is over, in the order in which it was due.
      event.timeMs = event.owner.pausedUntilMs;
      this.heap.push(event);
      return;
    }
    try {
      event.task();
    } catch (error) {
      this.fail(error, 'an event threw');
    }
  }
}
