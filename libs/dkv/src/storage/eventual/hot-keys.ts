/** What is known of keys in memory, by key: their record, and who changes them; bounded in bytes. */
import { type RecordId } from '../../model/key.js';
import { recordBytesMax } from '../../model/record-layout.js';
import { type KvRecord } from '../../model/record.js';
import { bucketOfName, nameChecksum } from './disk-keys.js';

/** What a key takes beside its texts and its record, about: objects, strings, the lists it is in. */
const KEY_BYTES = 400;
const RECORD_BYTES = 250;

/** One key. What is loaded is as it was last written, and stays so: every write goes through here. */
export class HotKey implements RecordId {
  readonly partition: number;
  readonly namespace: string;
  readonly key: string;
  /** Undefined where there is none, if `recordLoaded`. */
  record: KvRecord | undefined;
  recordLoaded = false;
  /** The load under way, for all who ask meanwhile. */
  loading: Promise<KvRecord | undefined> | undefined;
  /** Changes and loads under way, each of which keeps it in memory. */
  pins = 0;
  locked = false;
  waiting: (() => void)[] | undefined;
  bytes = 0;
  /** Asked for since the hand last passed. */
  used = false;
  /** In the ring; -1 as long as it is pinned, or has nothing loaded. */
  position = -1;
  /** Whether it can be found by its name. One that is held and cannot is of a store that was closed. */
  named = true;
  /** Whether its partition is known to be the one that the key belongs to, and not only the word of a peer. */
  isRouted = false;
  /** Of the same namespace and name in another partition. */
  other: HotKey | undefined;

  /** CRC-32 of its name. */
  readonly checksum: number;

  constructor({ partition, namespace, key }: RecordId) {
    this.partition = partition;
    this.namespace = namespace;
    this.key = key;
    this.checksum = nameChecksum(this);
  }

  /** Of the partition's hash tree. */
  get bucket(): number {
    return bucketOfName(this.checksum);
  }
}

/**
 * The cache of hot keys and the locks of keys in one, so that an operation looks its key up once: a look-up by name
 * costs some 0.2 µs where memory is cold, 1 µs with a name that is first put together. Keys are dropped by the second
 * chance that they get of a hand that goes round (Corbató, A Paging Experiment with the Multics System, 1968: CLOCK),
 * which costs a read no more than a mark.
 */
export class HotKeys {
  private readonly names = new Map<string, Map<string, HotKey>>();
  private readonly ring: HotKey[] = [];
  private hand = 0;
  private usedBytes = 0;

  /** Bytes of keys that nothing is done with; 0 for none. */
  constructor(private readonly bytesMax: number) {}

  get bytes(): number {
    return this.usedBytes;
  }

  /** The key if something of it is in memory. */
  peek(namespace: string, key: string, partition?: number): HotKey | undefined {
    let found = this.names.get(namespace)?.get(key);
    while (found && partition !== undefined && found.partition !== partition) {
      found = found.other;
    }
    return found;
  }

  /** The key, to be pinned or weighed before anything is waited for. It may be one that nothing is known of. */
  take(id: RecordId): HotKey {
    const found = this.peek(id.namespace, id.key, id.partition);
    if (found) {
      found.used = true;
      return found;
    }
    const made = new HotKey(id);
    let keys = this.names.get(id.namespace);
    if (!keys) {
      keys = new Map();
      this.names.set(id.namespace, keys);
    }
    made.other = keys.get(id.key);
    keys.set(id.key, made);
    return made;
  }

  /** Runs `work` when no other has the key, in the order of asking; it ends with `release`. */
  hold(id: RecordId, work: (key: HotKey) => void): void {
    const key = this.take(id);
    this.pin(key);
    if (key.locked) {
      (key.waiting ??= []).push(() => work(key));
    } else {
      key.locked = true;
      work(key);
    }
  }

  release(key: HotKey): void {
    const next = key.waiting?.shift();
    if (next) {
      // Not at once: a thousand that wait and change nothing would be a thousand calls deep.
      queueMicrotask(next);
    } else {
      key.waiting = undefined;
      key.locked = false;
    }
    this.unpin(key);
  }

  /** `hold` for work that waits. */
  run<T>(id: RecordId, work: (key: HotKey) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.hold(id, (key) => {
        work(key)
          .finally(() => this.release(key))
          .then(resolve, reject);
      });
    });
  }

  pin(key: HotKey): void {
    key.pins++;
    if (key.position >= 0) {
      this.leave(key);
    }
  }

  unpin(key: HotKey): void {
    key.pins--;
    this.weigh(key);
  }

  /** To be called when something of a key has changed that is not pinned. */
  weigh(key: HotKey): void {
    if (key.pins > 0 || !key.named) {
      return;
    }
    if (key.position >= 0) {
      this.leave(key);
    }
    if (key.recordLoaded) {
      key.bytes = bytesOfKey(key);
      key.position = this.ring.length;
      this.ring.push(key);
      this.usedBytes += key.bytes;
      this.makeRoom();
    } else {
      this.unname(key);
    }
  }

  /** Forgets all, also for those at work: what they load or write is not kept. */
  clear(): void {
    for (const keys of this.names.values()) {
      for (const first of keys.values()) {
        for (let key: HotKey | undefined = first; key; key = key.other) {
          key.named = false;
          key.position = -1;
        }
      }
    }
    this.ring.length = 0;
    this.names.clear();
    this.usedBytes = 0;
    this.hand = 0;
  }

  /** None in the ring is pinned, so it ends: a second time round no mark of use is left. */
  private makeRoom(): void {
    while (this.usedBytes > this.bytesMax) {
      if (this.hand >= this.ring.length) {
        this.hand = 0;
      }
      const key = this.ring[this.hand]!;
      if (key.used) {
        key.used = false;
      } else {
        this.drop(key);
      }
      // Also past the gap, which the newest key has filled: it would be the next to go, and the cache never renewed.
      this.hand++;
    }
  }

  private drop(key: HotKey): void {
    this.leave(key);
    this.unname(key);
  }

  private leave(key: HotKey): void {
    const last = this.ring.pop()!;
    if (last !== key) {
      this.ring[key.position] = last;
      last.position = key.position;
    }
    key.position = -1;
    this.usedBytes -= key.bytes;
  }

  private unname(key: HotKey): void {
    key.named = false;
    const keys = this.names.get(key.namespace)!;
    const first = keys.get(key.key)!;
    if (first !== key) {
      let before = first;
      while (before.other !== key) {
        before = before.other!;
      }
      before.other = key.other;
    } else if (key.other) {
      keys.set(key.key, key.other);
    } else {
      keys.delete(key.key);
      if (keys.size === 0) {
        this.names.delete(key.namespace);
      }
    }
    key.other = undefined;
  }
}

function bytesOfKey({ namespace, key, record }: HotKey): number {
  const texts = 2 * (namespace.length + key.length);
  return KEY_BYTES + texts + (record ? RECORD_BYTES + recordBytesMax(record) : 0);
}
