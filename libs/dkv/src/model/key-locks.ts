/** One change of a key at a time, in the order of asking. */

/** Keyed FIFO mutex; a key that nobody holds takes no memory. */
export class KeyLocks {
  /** Who waits for each key that is held. */
  private readonly waiting = new Map<string, (() => void)[]>();

  get held(): number {
    return this.waiting.size;
  }

  /** Work on a key that nobody holds begins at once. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const waiting = this.waiting.get(key);
    if (waiting) {
      return new Promise<void>((resolve) => waiting.push(resolve)).then(() => this.holding(key, work));
    }
    this.waiting.set(key, []);
    return this.holding(key, work);
  }

  private async holding<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      const next = this.waiting.get(key)!.shift();
      if (next) {
        next();
      } else {
        this.waiting.delete(key);
      }
    }
  }
}
