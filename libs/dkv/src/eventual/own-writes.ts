/** Remembers what this node wrote, so that it reads its own writes at every level also where it holds no copy. */
import { type RecordId } from '../model/key.js';
import { type Version } from '../model/version.js';

/** Where a read must look, and what it must at least find. */
export interface OwnWrite {
  /** The version to find at least; undefined where it was forgotten and the coordinator must be asked. */
  readonly version: Version | undefined;
  /** The node that coordinated the write and holds it; undefined where several did. */
  readonly coordinator: string | undefined;
}

interface Noted extends OwnWrite, RecordId {
  readonly version: Version;
  readonly coordinator: string;
}

const SEVERAL = '';

/**
 * Bounded: the newest `entriesMax` writes by key. What is pushed out leaves the name of its coordinator with the
 * partition, and a read of such a partition goes to that node (or, where there were several or it is away, to a
 * quorum): slower, still right for what was written at level `quorum`. A node that holds a copy itself has nothing
 * to remember: it stores what it wrote before its caller learns of it.
 */
export class OwnWrites {
  /** By namespace and key, whose hash a text has already: one put together of both costs a microsecond to find. */
  private readonly names = new Map<string, Map<string, Noted>>();
  /** The write noted longest ago first. */
  private readonly writes = new Set<Noted>();
  private readonly forgotten = new Map<number, string>();
  /** Of which there was ever something to remember. */
  private readonly partitions = new Set<number>();

  constructor(private readonly entriesMax: number) {}

  note(id: RecordId, version: Version, coordinator: string): void {
    const known = this.noted(id);
    if (known && known.version >= version) {
      return;
    }
    this.partitions.add(id.partition);
    if (known) {
      this.drop(known);
    }
    const { partition, namespace, key } = id;
    this.keep({ partition, namespace, key, version, coordinator });
    if (this.writes.size > this.entriesMax) {
      const [oldest] = this.writes;
      this.drop(oldest!);
      this.forget(oldest!.partition, oldest!.coordinator);
    }
  }

  /** Whether `expected` may know of a key of the partition; cheap. */
  isAwaited(partition: number): boolean {
    return this.partitions.size > 0 && this.partitions.has(partition);
  }

  expected(id: RecordId): OwnWrite | undefined {
    if (!this.isAwaited(id.partition)) {
      return undefined;
    }
    const write = this.noted(id);
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
    const known = this.noted(id);
    if (known && known.version <= version) {
      this.drop(known);
    }
  }

  private noted({ namespace, key }: RecordId): Noted | undefined {
    return this.names.get(namespace)?.get(key);
  }

  private keep(write: Noted): void {
    const { namespace, key } = write;
    let keys = this.names.get(namespace);
    if (!keys) {
      keys = new Map();
      this.names.set(namespace, keys);
    }
    keys.set(key, write);
    this.writes.add(write);
  }

  private drop(write: Noted): void {
    const { namespace, key } = write;
    this.names.get(namespace)!.delete(key);
    this.writes.delete(write);
  }

  private forget(partition: number, coordinator: string): void {
    const known = this.forgotten.get(partition);
    this.forgotten.set(partition, known === undefined || known === coordinator ? coordinator : SEVERAL);
  }
}
