/** Remembers what this node wrote, so that it reads its own writes at every level also where it holds no copy. */
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
  /** The write noted longest ago first. */
  private readonly writes = new Map<string, Noted>();
  private readonly forgotten = new Map<number, string>();
  /** Of which there was ever something to remember. */
  private readonly partitions = new Set<number>();

  constructor(private readonly entriesMax: number) {}

  note(id: RecordId, version: Version, coordinator: string): void {
    const name = idOf(id);
    const known = this.writes.get(name);
    if (known && known.version >= version) {
      return;
    }
    this.partitions.add(id.partition);
    this.writes.delete(name);
    this.writes.set(name, { version, coordinator, partition: id.partition });
    if (this.writes.size > this.entriesMax) {
      const [oldest, write] = this.writes.entries().next().value!;
      this.writes.delete(oldest);
      this.forget(write.partition, write.coordinator);
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
    const known = this.writes.get(idOf(id));
    if (known && known.version <= version) {
      this.writes.delete(idOf(id));
    }
  }

  private forget(partition: number, coordinator: string): void {
    const known = this.forgotten.get(partition);
    this.forgotten.set(partition, known === undefined || known === coordinator ? coordinator : SEVERAL);
  }
}
