/** Remembers what this node wrote, so that it reads its own writes at every level also where it holds no copy. */
import { LRUCache } from 'lru-cache';
import { idOf, type RecordId } from '../model/key.js';
import { type Version } from '../model/version.js';

/** Where a read must look, and what it must at least find. */
export interface OwnWrite {
  /** The version to find at least; undefined where it was forgotten and the coordinator must be asked. */
  readonly version: Version | undefined;
  /** The node that coordinated the write and holds it; undefined where several did. */
  readonly coordinator: string | undefined;
}

interface Noted {
  readonly version: Version;
  readonly coordinator: string;
  readonly partition: number;
}

const SEVERAL = '';

/**
 * Bounded: the newest `entriesMax` writes by key. What is pushed out leaves the name of its coordinator with the
 * partition, and a read of such a partition goes to that node (or, where there were several or it is away, to a
 * quorum): slower, still right for what was written at level `quorum`. A node that holds a copy itself has nothing
 * to remember: it stores what it wrote before its caller learns of it.
 */
export class OwnWrites {
  private readonly writes: LRUCache<string, Noted>;
  private readonly forgotten = new Map<number, string>();
  /** Of which there was ever something to remember. */
  private readonly partitions = new Set<number>();

  constructor(entriesMax: number) {
    this.writes = new LRUCache({
      max: entriesMax,
      dispose: (write, _id, reason) => {
        if (reason === 'evict') {
          this.forget(write.partition, write.coordinator);
        }
      },
    });
  }

  note(id: RecordId, version: Version, coordinator: string): void {
    const known = this.writes.get(idOf(id));
    if (!known || known.version < version) {
      this.partitions.add(id.partition);
      this.writes.set(idOf(id), { version, coordinator, partition: id.partition });
    }
  }

  /** Whether `expected` may know of a key of the partition; cheap. */
  isAwaited(partition: number): boolean {
    return this.partitions.size > 0 && this.partitions.has(partition);
  }

  expected(id: RecordId): OwnWrite | undefined {
    if (this.writes.size === 0 && this.forgotten.size === 0) {
      return undefined;
    }
    const write = this.writes.get(idOf(id));
    if (write) {
      return write;
    }
    const coordinator = this.forgotten.get(id.partition);
    return coordinator === undefined
      ? undefined
      : { version: undefined, coordinator: coordinator === SEVERAL ? undefined : coordinator };
  }

  /** The local copy has reached `version`: nothing up to it must be remembered any more. */
  settled(id: RecordId, version: Version): void {
    const known = this.writes.peek(idOf(id));
    if (known && known.version <= version) {
      this.writes.delete(idOf(id));
    }
  }

  private forget(partition: number, coordinator: string): void {
    const known = this.forgotten.get(partition);
    this.forgotten.set(partition, known === undefined || known === coordinator ? coordinator : SEVERAL);
  }
}
