/** Hot records in memory: a read through the engine's thread pool takes 0.1 ms and more, this one a microsecond. */
import { LRUCache } from 'lru-cache';
import { type KvRecord } from '../model/record.js';

/** What an entry takes beside its key and its value, about: objects, strings, the cache's own lists. */
const ENTRY_BYTES = 300;

export class RecordCache {
  private readonly records: LRUCache<string, KvRecord> | undefined;
  /** Reads under way. One that a write overtook is not in here any more and must not be kept. */
  private readonly loads = new Map<string, Promise<KvRecord | undefined>>();

  /** Without bytes it keeps nothing. */
  constructor(bytesMax: number) {
    this.records = bytesMax > 0 ? new LRUCache({ maxSize: bytesMax, sizeCalculation: bytesOf }) : undefined;
  }

  /** The record as it was last committed: cached, or read, once for all who ask meanwhile. Not to be changed. */
  async get(id: string, read: () => Promise<KvRecord | undefined>): Promise<KvRecord | undefined> {
    return this.records?.get(id) ?? this.loads.get(id) ?? this.load(id, read);
  }

  /** To be called when `record` was committed, before its write is acknowledged. */
  set(id: string, record: KvRecord): void {
    this.loads.delete(id);
    // A copy: the caller may use the bytes again, and they may be a small piece of a large buffer.
    this.records?.set(id, { ...record, value: new Uint8Array(record.value) });
  }

  clear(): void {
    this.loads.clear();
    this.records?.clear();
  }

  private async load(id: string, read: () => Promise<KvRecord | undefined>): Promise<KvRecord | undefined> {
    const load = read();
    this.loads.set(id, load);
    try {
      const record = await load;
      if (record && this.loads.get(id) === load) {
        this.records?.set(id, record);
      }
      return record;
    } finally {
      if (this.loads.get(id) === load) {
        this.loads.delete(id);
      }
    }
  }
}

function bytesOf({ namespace, key, version, value }: KvRecord): number {
  return ENTRY_BYTES + 2 * (namespace.length + key.length + version.length) + value.byteLength;
}
