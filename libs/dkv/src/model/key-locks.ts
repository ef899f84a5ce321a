/** One change of a key at a time, in the order of asking. */

/** Keyed FIFO mutex; a key that nobody holds takes no memory. */
export class KeyLocks {
  private readonly tails = new Map<string, Promise<void>>();

  get held(): number {
    return this.tails.size;
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.tails.get(key);
    let release!: () => void;
    const tail = new Promise<void>((resolve) => (release = resolve));
    this.tails.set(key, tail);
    await before;
    try {
      return await work();
    } finally {
      if (this.tails.get(key) === tail) {
        this.tails.delete(key);
      }
      release();
    }
  }
}
