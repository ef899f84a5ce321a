/** Who hears of unhandled rejections: the simulation that is running, instead of the process. */

type Listener = (reason: unknown, promise: Promise<unknown>) => void;

const running = new Set<(reason: unknown) => void>();
let displaced: readonly Listener[] = [];

/**
 * From now on `fail` is told of every unhandled rejection, until the answer is called. Meanwhile nobody else is:
 * a test runner would blame the whole file, or the process would end. When runs overlap each is told, as nobody
 * can say whose it was.
 */
export function guardRejections(fail: (reason: unknown) => void): () => void {
  if (running.size === 0) {
    displaced = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', tell);
  }
  running.add(fail);
  return () => {
    if (running.delete(fail) && running.size === 0) {
      process.removeListener('unhandledRejection', tell);
      for (const listener of displaced) {
        process.on('unhandledRejection', listener);
      }
      displaced = [];
    }
  };
}

function tell(reason: unknown): void {
  for (const fail of running) {
    fail(reason);
  }
}
