/** Remembers what this node wrote, so that it reads its own writes at every level also where it holds no copy. */
import { AgeList, type Aged } from '../model/age-list.js';
import { type RecordId } from '../model/key.js';
import { type Version } from '../model/version.js';
import { type Clock } from '../ports/clock.js';

/** Where a read must look, and what it must at least find. */
export interface OwnWrite {
  /** The version to find at least; undefined where it was forgotten and the coordinator must be asked. */
  readonly version: Version | undefined;
  /** The node that coordinated the write and holds it; undefined where several did. */
  readonly coordinator: string | undefined;
}

export interface OwnWritesBounds {
  /** Writes remembered by key. */
  readonly entriesMax: number;
  /** After this long hints and anti-entropy have brought a write to all nodes that answer. Milliseconds. */
  readonly spreadMs: number;
}

interface Noted extends OwnWrite, RecordId, Aged<Noted> {
  readonly version: Version;
  readonly coordinator: string;
  readonly notedAtMs: number;
}

/**
 * Bounded: the newest `entriesMax` writes by key. One that is pushed out younger than `spreadMs` leaves the name of its
 * coordinator with the partition until it is that old, and until then reads of the partition go to that node (or, where
 * there were several or it is away, to a quorum): slower, still right for what was written at level `quorum`. After
 * that any node will do. So a node that writes more than it can remember reads slowly while it does so, and no longer.
 * A node that holds a copy itself has nothing to remember: it stores what it wrote before its caller learns of it.
 */
export class OwnWrites {
  /** By namespace and key, whose hash a text has already: one put together of both costs a microsecond to find. */
  private readonly names = new Map<string, Map<string, Noted>>();
  private readonly order = new AgeList<Noted>();
  private count = 0;
  /** How many of the writes are of a partition. */
  private readonly partitions = new Map<number, number>();
  /** By partition and coordinator, until when (by the monotonic clock) it must be asked; at most one each. */
  private readonly pushedOut = new Map<number, Map<string, number>>();

  constructor(
    private readonly clock: Clock,
    private readonly bounds: OwnWritesBounds,
  ) {}

  get size(): number {
    return this.count;
  }

  note(id: RecordId, version: Version, coordinator: string): void {
    const known = this.noted(id);
    if (known && known.version >= version) {
      return;
    }
    if (known) {
      this.drop(known);
    }
    this.add(id, version, coordinator);
    if (this.count > this.bounds.entriesMax) {
      this.pushOut(this.order.oldest!);
    }
  }

  /** Whether `expected` may know of a key of the partition; cheap. */
  isAwaited(partition: number): boolean {
    return this.partitions.has(partition) || this.coordinatorsOf(partition) !== undefined;
  }

  expected(id: RecordId): OwnWrite | undefined {
    const write = this.noted(id);
    if (write) {
      return write;
    }
    const coordinators = this.coordinatorsOf(id.partition);
    if (!coordinators) {
      return undefined;
    }
    const [coordinator] = coordinators.keys();
    return { version: undefined, coordinator: coordinators.size === 1 ? coordinator : undefined };
  }

  /** The local copy has reached `version`: nothing up to it must be remembered any more. */
  settled(id: RecordId, version: Version): void {
    const known = this.noted(id);
    if (known && known.version <= version) {
      this.drop(known);
    }
  }

  private noted({ namespace, key }: RecordId): Noted | undefined {
    return this.count === 0 ? undefined : this.names.get(namespace)?.get(key);
  }

  /** Who must be asked for keys of the partition that are not remembered; undefined for nobody. */
  private coordinatorsOf(partition: number): ReadonlyMap<string, number> | undefined {
    const coordinators = this.pushedOut.size === 0 ? undefined : this.pushedOut.get(partition);
    if (!coordinators) {
      return undefined;
    }
    const nowMs = this.clock.monotonic();
    for (const [coordinator, untilMs] of coordinators) {
      if (untilMs <= nowMs) {
        coordinators.delete(coordinator);
      }
    }
    if (coordinators.size === 0) {
      this.pushedOut.delete(partition);
      return undefined;
    }
    return coordinators;
  }

  private add({ partition, namespace, key }: RecordId, version: Version, coordinator: string): void {
    const notedAtMs = this.clock.monotonic();
    const write: Noted = {
      partition,
      namespace,
      key,
      version,
      coordinator,
      notedAtMs,
      older: undefined,
      newer: undefined,
    };
    this.order.add(write);
    this.count++;
    this.partitions.set(partition, (this.partitions.get(partition) ?? 0) + 1);
    let keys = this.names.get(namespace);
    if (!keys) {
      keys = new Map();
      this.names.set(namespace, keys);
    }
    keys.set(key, write);
  }

  private drop(write: Noted): void {
    const { partition, namespace, key } = write;
    this.order.remove(write);
    this.count--;
    const left = this.partitions.get(partition)! - 1;
    if (left === 0) {
      this.partitions.delete(partition);
    } else {
      this.partitions.set(partition, left);
    }
    this.names.get(namespace)!.delete(key);
  }

  private pushOut(write: Noted): void {
    this.drop(write);
    const { partition, coordinator, notedAtMs } = write;
    const untilMs = notedAtMs + this.bounds.spreadMs;
    if (untilMs <= this.clock.monotonic()) {
      return;
    }
    let coordinators = this.pushedOut.get(partition);
    if (!coordinators) {
      coordinators = new Map();
      this.pushedOut.set(partition, coordinators);
    }
    // Writes are pushed out in the order in which they were noted: this one is the latest of its coordinator.
    coordinators.set(coordinator, untilMs);
  }
}
