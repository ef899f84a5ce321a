/** One listener on an AbortSignal, however many operations wait for it. */

/**
 * An application gives one signal to hundreds of calls (its own shutdown, a request that reads many keys): Node takes the
 * eleventh listener for a leak and warns, and removes a listener by walking over all of them.
 */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `task` once when `signal` is aborted; never, when it is aborted already. Tasks must not throw.
 * @returns forgets the task; may be called more than once, also after the abort
 */
export function onAbort(signal: AbortSignal, task: () => void): () => void {
  const tasks = waiting.get(signal) ?? listenTo(signal);
  // Of its own, so that one function given twice counts twice.
  const own = () => task();
  tasks.add(own);
  return () => {
    if (tasks.delete(own) && tasks.size === 0) {
      waiting.delete(signal);
      signal.removeEventListener('abort', runAll);
    }
  };
}

function listenTo(signal: AbortSignal): Set<() => void> {
  const tasks = new Set<() => void>();
  waiting.set(signal, tasks);
  signal.addEventListener('abort', runAll, { once: true });
  return tasks;
}

function runAll(this: AbortSignal): void {
  const tasks = waiting.get(this);
  waiting.delete(this);
  // A task that ends another wait of the same signal takes it out of this set before its turn.
  tasks?.forEach((task) => {
    tasks.delete(task);
    task();
  });
}
