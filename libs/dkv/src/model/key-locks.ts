/** One change of a key at a time, in the order of asking. */

/** Keyed FIFO mutex; a key that nobody holds takes no memory. */
export class KeyLocks {
  /** Who waits for each key that is held; undefined where nobody does. */
  private readonly waiting = new Map<string, (() => void)[] | undefined>();

  get held(): number {
    return this.waiting.size;
  }

  /** Work on a key that nobody holds begins at once. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = this.take(key);
    return turn ? turn.then(() => this.holding(key, work)) : this.holding(key, work);
  }

  /** Resolves when the key is the caller's, who then must `give` it; undefined where it is so at once. */
  take(key: string): Promise<void> | undefined {
    if (!this.waiting.has(key)) {
      this.waiting.set(key, undefined);
      return undefined;
    }
    return new Promise((resolve) => {
      const others = this.waiting.get(key);
      if (others) {
        others.push(resolve);
      } else {
        this.waiting.set(key, [resolve]);
      }
    });
  }

  /** To who waits for it longest. */
  give(key: string): void {
    const next = this.waiting.get(key)?.shift();
    if (next) {
      next();
    } else {
      this.waiting.delete(key);
    }
  }

  private async holding<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.give(key);
    }
  }
}
