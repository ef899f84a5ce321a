/** The committed records that are in memory: those that no checkpoint has yet, and a cache of others. */
import { AgeList } from '../../model/age-list.js';
import { type StrongRecord } from '../../ports/strong-store.js';
import { namespaceBytes } from './strong-keys.js';
import { PlacedRecord } from './placed-record.js';
import { type ValueChunk, ValueChunks } from './value-chunks.js';

/** What an entry takes beside key and value, about: measured on Node 20 with 100,000 records. */
const ENTRY_BYTES = 330;

/** Expiries in the engine, where no record is or nothing is known. */
export const ABSENT = -1;
export const UNKNOWN = -2;

const LOADING = 0;
const CLEAN = 1;
const DIRTY = 2;

export interface Names {
  readonly namespace: string;
  /** As the engine's keys have it. */
  readonly bytes: Buffer;
  readonly entries: Map<string, Entry>;
}

export class Entry {
  /** What readers see; undefined where there is none, or `isLoading`. */
  record: StrongRecord | undefined;
  state = LOADING;
  /** The round of its group's checkpoints that it is to be in, while dirty. */
  round = -1;
  /** The expiry that its record in the engine has (0: never), {@link ABSENT} or {@link UNKNOWN}. */
  stored = UNKNOWN;
  chunk: ValueChunk | undefined;
  /** Asked for since the hand last passed. */
  used = false;
  older: Entry | undefined;
  newer: Entry | undefined;

  constructor(
    readonly group: GroupTable,
    readonly names: Names,
    readonly key: string,
  ) {}

  get isLoading(): boolean {
    return this.state === LOADING;
  }

  /** In no checkpoint yet, or in one that is not durable. */
  get isDirty(): boolean {
    return this.state === DIRTY;
  }

  get bytes(): number {
    return ENTRY_BYTES + this.key.length;
  }
}

/** What is known of a group: its dirty entries, each once, and what the engine has of it. */
export class GroupTable {
  /** In the order in which they became dirty. */
  dirty: Entry[] = [];
  /** Those that a checkpoint is writing; some are dirty again by now. */
  taken: TakenEntries | undefined;
  /** Rises when a checkpoint takes the dirty ones. */
  round = 0;
  /** Something of it, records or not, is to be in the next checkpoint. */
  isChanged = false;
  /** Whether the engine may have expiries of it. */
  hasExpiries = false;
  /** Whether a record with a lifetime was written since the start. */
  hasDirtyExpiries = false;
  /** Records in the engine, about. */
  records = 0;
  isClearing = false;

  constructor(readonly number: number) {}

  /** Records that there are, about: what was written blindly since the last checkpoint counts as new. */
  get count(): number {
    let count = this.records;
    for (const { record, stored } of this.dirty) {
      count += Number(record !== undefined) - Number(stored >= 0);
    }
    return count;
  }
}

/** What a checkpoint writes: `records[i]` is what `entries[i]` was when it was taken. */
export interface TakenEntries {
  readonly round: number;
  readonly entries: readonly Entry[];
  readonly records: readonly (StrongRecord | undefined)[];
}

/**
 * Found by namespace, then key, so that no text is put together. Clean entries go by the second chance that they get of
 * a hand that goes round (Corbató, A Paging Experiment with the Multics System, 1968: CLOCK), as a list from the one the
 * hand comes to next to the one that it has just passed.
 */
export class RecordTable {
  private readonly names = new Map<string, Names>();
  private lastNames: Names | undefined;
  private readonly groups: (GroupTable | undefined)[] = [];
  private readonly changed = new Set<GroupTable>();
  private readonly dirtyChunks = new ValueChunks();
  private readonly cleanChunks = new ValueChunks();
  private dirtyEntryBytes = 0;
  private cleanEntryBytes = 0;
  private readonly cached = new AgeList<Entry>();

  constructor(private readonly cacheBytesMax: number) {}

  get dirtyBytes(): number {
    return this.dirtyEntryBytes + this.dirtyChunks.bytes;
  }

  get cacheBytes(): number {
    return this.cleanEntryBytes + this.cleanChunks.bytes;
  }

  get changedGroups(): readonly GroupTable[] {
    return [...this.changed];
  }

  get allGroups(): readonly GroupTable[] {
    return this.groups.filter((group) => group !== undefined);
  }

  group(number: number): GroupTable {
    return (this.groups[number] ??= new GroupTable(number));
  }

  namesOf(namespace: string): Names {
    if (this.lastNames?.namespace === namespace) {
      return this.lastNames;
    }
    let names = this.names.get(namespace);
    if (!names) {
      names = { namespace, bytes: namespaceBytes(namespace), entries: new Map() };
      this.names.set(namespace, names);
    }
    this.lastNames = names;
    return names;
  }

  /** The entry, of whichever group it is, without being made. */
  find(namespace: string, key: string): Entry | undefined {
    const names = this.lastNames?.namespace === namespace ? this.lastNames : this.names.get(namespace);
    return names?.entries.get(key);
  }

  touch(group: GroupTable): void {
    if (!group.isChanged) {
      group.isChanged = true;
      this.changed.add(group);
    }
  }

  /** `record` undefined is a removal. Shares no bytes with it. */
  write(number: number, namespace: string, key: string, record: StrongRecord | undefined): void {
    const group = this.group(number);
    if (group.isClearing) {
      throw new TypeError(
        `Group ${number} is being deleted: nothing of it may be written until that has ended.`,
      );
    }
    const names = this.namesOf(namespace);
    let entry = names.entries.get(key);
    if (!entry) {
      entry = new Entry(group, names, key);
      names.entries.set(key, entry);
    } else if (entry.group !== group) {
      throw new TypeError(
        `The key ${JSON.stringify(key)} (namespace ${namespace}) is of group ${entry.group.number}, not of ${number}.`,
      );
    } else if (entry.state === CLEAN) {
      this.leaveCache(entry);
    } else if (entry.chunk) {
      this.dirtyChunks.release(entry.chunk);
    }
    this.place(entry, record, this.dirtyChunks);
    group.hasDirtyExpiries ||= record !== undefined && record.expiresAtMs > 0;
    if (entry.state !== DIRTY) {
      entry.state = DIRTY;
      this.dirtyEntryBytes += entry.bytes;
    } else if (entry.round === group.round) {
      return;
    }
    entry.round = group.round;
    group.dirty.push(entry);
    this.touch(group);
  }

  /** An entry whose record is being read: whoever writes it meanwhile is not undone by `loaded`. */
  startLoading(group: number, namespace: string, key: string): Entry {
    const names = this.namesOf(namespace);
    const entry = new Entry(this.group(group), names, key);
    names.entries.set(key, entry);
    return entry;
  }

  /** Gives what readers see now: the record read, or what was written since. */
  loaded(entry: Entry, record: StrongRecord | undefined): StrongRecord | undefined {
    if (entry.state === LOADING && this.isNamed(entry)) {
      entry.stored = record?.expiresAtMs ?? ABSENT;
      this.enterCache(entry, record);
    }
    return entry.state === LOADING ? undefined : entry.record;
  }

  /** What was to be read could not be: nothing is known of it. */
  notLoaded(entry: Entry): void {
    if (entry.state === LOADING && this.isNamed(entry)) {
      entry.names.entries.delete(entry.key);
    }
  }

  /** Hands the group's dirty entries to a checkpoint. */
  take(group: GroupTable): TakenEntries {
    const entries = group.dirty;
    const taken = { round: group.round, entries, records: entries.map(({ record }) => record) };
    group.dirty = [];
    group.taken = taken;
    group.round++;
    group.isChanged = false;
    this.changed.delete(group);
    return taken;
  }

  /** The entries from..to of what was taken are in the engine. */
  settle({ round, entries, records }: TakenEntries, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const entry = entries[at]!;
      entry.stored = records[at]?.expiresAtMs ?? ABSENT;
      if (entry.state === DIRTY && entry.round === round) {
        this.leaveDirty(entry);
        this.enterCache(entry, records[at]);
      }
    }
  }

  /** The checkpoint failed: what was not written again since is dirty as before. */
  giveBack(group: GroupTable, { round, entries }: TakenEntries): void {
    group.taken = undefined;
    for (const entry of entries) {
      // Whether the engine has it is not known.
      entry.stored = UNKNOWN;
      if (entry.state === DIRTY && entry.round === round) {
        entry.round = group.round;
        group.dirty.push(entry);
      }
    }
    this.touch(group);
  }

  /** Forgets all entries of the group, also those that are being loaded. */
  drop(group: GroupTable): void {
    for (const names of this.names.values()) {
      for (const entry of names.entries.values()) {
        if (entry.group === group) {
          if (entry.state === DIRTY) {
            this.leaveDirty(entry);
          } else if (entry.state === CLEAN) {
            this.leaveCache(entry);
          }
          entry.state = LOADING;
          entry.record = undefined;
          names.entries.delete(entry.key);
        }
      }
    }
    group.dirty = [];
    group.isChanged = false;
    this.changed.delete(group);
  }

  private isNamed(entry: Entry): boolean {
    return entry.names.entries.get(entry.key) === entry;
  }

  private place(entry: Entry, record: StrongRecord | undefined, chunks: ValueChunks): void {
    if (!record) {
      entry.record = undefined;
      entry.chunk = undefined;
      return;
    }
    const placed = new PlacedRecord(record, chunks);
    entry.record = placed;
    entry.chunk = placed.chunk;
  }

  private leaveDirty(entry: Entry): void {
    this.dirtyEntryBytes -= entry.bytes;
    if (entry.chunk) {
      this.dirtyChunks.release(entry.chunk);
    }
  }

  private enterCache(entry: Entry, record: StrongRecord | undefined): void {
    this.place(entry, record, this.cleanChunks);
    entry.state = CLEAN;
    entry.used = false;
    this.cleanEntryBytes += entry.bytes;
    this.cached.add(entry);
    while (this.cached.oldest && this.cacheBytes > this.cacheBytesMax) {
      const next = this.cached.oldest;
      if (next.used) {
        next.used = false;
        this.cached.remove(next);
        this.cached.add(next);
      } else {
        this.leaveCache(next);
        next.names.entries.delete(next.key);
      }
    }
  }

  private leaveCache(entry: Entry): void {
    this.cached.remove(entry);
    this.cleanEntryBytes -= entry.bytes;
    if (entry.chunk) {
      this.cleanChunks.release(entry.chunk);
    }
  }
}
