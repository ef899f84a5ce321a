/** Timers for deadlines, nearly all of which are cancelled: one timer of Node for all tasks of the same delay. */
import { AsyncResource } from 'node:async_hooks';
import { type Timer } from '../ports/clock.js';

/** The longest delay that a Node timer takes; a longer one would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;
/** Lists beyond this many do not outlive their last task. */
const LISTS_MAX = 256;

/** The tasks of one delay. All wait equally long, so whoever came first is due first. */
interface TimerList {
  readonly delayMs: number;
  first: Task | undefined;
  last: Task | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * A list keeps its Node timer when its last task is cancelled, to have it for the next one: scheduling and cancelling
 * then link and unlink, at half the cost or less of a Node timer for each task.
 */
export class TimerLists {
  private lists = new Map<number, TimerList>();
  private armedWith: typeof setTimeout | undefined;
  /** Tasks share timers: none may run in the async context of another's caller, nor keep that alive. */
  private readonly context = new AsyncResource('DkvTimers');

  schedule(delayMs: number, run: () => void): Timer {
    // Node's timers drop fractions, and so would come early.
    const wholeMs = delayMs > 1 ? Math.ceil(Math.min(delayMs, DELAY_MS_MAX)) : 1;
    return new Task(this, this.listOf(wholeMs), performance.now() + wholeMs, run);
  }

  /** After a task was taken out. */
  shrunk(list: TimerList): void {
    if (!list.first && this.lists.size > LISTS_MAX) {
      clearTimeout(list.timer);
      this.forget(list);
    }
  }

  private listOf(delayMs: number): TimerList {
    if (this.armedWith !== setTimeout) {
      // The fake timers of somebody's test came or went: what they drive and what waits already are kept apart.
      this.armedWith = setTimeout;
      this.lists = new Map();
    }
    let list = this.lists.get(delayMs);
    if (!list) {
      list = { delayMs, first: undefined, last: undefined, timer: undefined };
      this.lists.set(delayMs, list);
      this.arm(list, delayMs);
    }
    return list;
  }

  private arm(list: TimerList, delayMs: number): void {
    list.timer = this.context.runInAsyncScope(() => setTimeout(() => this.wake(list), delayMs));
    list.timer.unref();
  }

  private wake(list: TimerList): void {
    const nowMs = performance.now();
    try {
      while (list.first && list.first.dueMs <= nowMs) {
        const task = list.first;
        task.cancel();
        task.run();
      }
    } finally {
      // Also when a task threw; and timers of Node fire up to 2 ms early: who waits for a deadline must find it over.
      if (list.first) {
        this.arm(list, Math.max(1, Math.ceil(list.first.dueMs - performance.now())));
      } else {
        this.forget(list);
      }
    }
  }

  private forget(list: TimerList): void {
    if (this.lists.get(list.delayMs) === list) {
      this.lists.delete(list.delayMs);
    }
  }
}

class Task implements Timer {
  private previous: Task | undefined;
  private next: Task | undefined;
  private waits = true;

  constructor(
    private readonly lists: TimerLists,
    private readonly list: TimerList,
    readonly dueMs: number,
    readonly run: () => void,
  ) {
    this.previous = list.last;
    if (list.last) {
      list.last.next = this;
    } else {
      list.first = this;
    }
    list.last = this;
  }

  cancel(): void {
    if (!this.waits) {
      return;
    }
    this.waits = false;
    const { list, previous, next } = this;
    if (previous) {
      previous.next = next;
    } else {
      list.first = next;
    }
    if (next) {
      next.previous = previous;
    } else {
      list.last = previous;
    }
    this.previous = undefined;
    this.next = undefined;
    this.lists.shrunk(list);
  }
}
