/** Hot records in memory: a read through the engine's thread pool takes 0.1 ms and more, this one a microsecond. */
import { LRUCache } from 'lru-cache';

/** Entries by the id of their key: records, or rounds. */
export class HotCache<T extends object> {
  private readonly entries: LRUCache<string, T> | undefined;
  /** Reads under way. One that a write overtook is not in here any more and must not be kept. */
  private readonly loads = new Map<string, Promise<T | undefined>>();

  /** Without bytes it keeps nothing. `bytesOf` says what an entry takes, about. */
  constructor(bytesMax: number, bytesOf: (entry: T) => number) {
    this.entries = bytesMax > 0 ? new LRUCache({ maxSize: bytesMax, sizeCalculation: bytesOf }) : undefined;
  }

  /** The entry as it was last written: cached, or read, once for all who ask meanwhile. Not to be changed. */
  async get(id: string, read: () => Promise<T | undefined>): Promise<T | undefined> {
    return this.entries?.get(id) ?? this.loads.get(id) ?? this.load(id, read);
  }

  /** To be called when `entry` was written, before its write is acknowledged. It belongs to the cache from now on. */
  set(id: string, entry: T): void {
    this.loads.delete(id);
    this.entries?.set(id, entry);
  }

  /** To be called when the entry was erased. */
  delete(id: string): void {
    this.loads.delete(id);
    this.entries?.delete(id);
  }

  clear(): void {
    this.loads.clear();
    this.entries?.clear();
  }

  private async load(id: string, read: () => Promise<T | undefined>): Promise<T | undefined> {
    const load = read();
    this.loads.set(id, load);
    try {
      const entry = await load;
      if (entry && this.loads.get(id) === load) {
        this.entries?.set(id, entry);
      }
      return entry;
    } finally {
      if (this.loads.get(id) === load) {
        this.loads.delete(id);
      }
    }
  }
}
