/** Lets the event loop turn under callers whose operations end without any I/O. */

/** How long callers may go on without a turn of the event loop. */
export const TURN_EVERY_MS = 1;

/**
 * Reads that are answered from memory resolve in microtasks, and callers that await nothing else would keep timers and
 * sockets from ever being looked at. So once a millisecond every caller waits for the next `setImmediate`: an ordinary
 * application turns far more often, and for whoever waits for I/O anyway that hardly counts.
 */
export class EventLoopTurns {
  private turned = performance.now();
  private turning: Promise<void> | undefined;

  isDue(now: number): boolean {
    return now - this.turned >= TURN_EVERY_MS;
  }

  next(): Promise<void> {
    this.turning ??= new Promise((resolve) => {
      setImmediate(() => {
        this.turned = performance.now();
        this.turning = undefined;
        resolve();
      });
    });
    return this.turning;
  }
}
