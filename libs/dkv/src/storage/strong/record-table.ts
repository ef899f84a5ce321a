/** The committed records that are in memory: those that no checkpoint has yet, and a cache of others. */
import { ByGroup } from '../../model/by-group.js';
import { KeyIndex } from './key-index.js';
import { type PageMark, type StrongRecord } from '../../ports/strong-store.js';
import { type UsageCount } from '../../model/usage.js';
import { GroupTable } from './group-table.js';
import {
  DIRTY,
  DIRTY_AT,
  HEAD_BYTES,
  KEY,
  NAMED,
  ROUND,
  sizeOf,
  UNKNOWN,
  USED,
  wordOf,
} from './record-head.js';
import { RecordSlabs, type Slab } from './record-slabs.js';

/** Slabs may take three times what the records in them do, and so many slabs more. */
const WASTE_FACTOR = 3;
const WASTE_SLABS = 16;
/**
 * A slab is cleaned for no less than this part of it: what a checkpoint is about to make clean need not be moved before. Past
 * so much more than the cache may have, it is cleaned for less, but for more than can be left over at its end.
 */
const WORTH_CLEANING = 0.75;
const WORTH_CLEANING_SOON = 0.4;
const PATIENCE = 1.5;
/** Below this part of the cache, clean records are moved: as much as the rest of it is not used. */
const EVICTING = 0.75;
/** Bytes of slabs that are looked through at a time to make room: about 1 ms. */
const LOOKED_BYTES = 1_048_576;

/**
 * Found by a hash of namespace and key, then along a chain. What is written again leaves its old place unused, and the
 * oldest slabs are given back after what is of use in them has moved to the newest; to make room in the cache, of clean
 * records only those that were asked for since (Corbató, A Paging Experiment with the Multics System, 1968: CLOCK).
 */
export class RecordTable {
  readonly slabs: RecordSlabs;
  readonly index: KeyIndex;
  private readonly groups = new ByGroup<GroupTable>();
  private readonly changed = new Set<GroupTable>();
  private namedBytes = 0;
  private dirty = 0;

  constructor(
    private readonly cacheBytesMax: number,
    dirtyBytesMax: number,
  ) {
    const bytes = cacheBytesMax + dirtyBytesMax;
    this.slabs = new RecordSlabs(bytes);
    this.index = new KeyIndex(this.slabs, bytes);
  }

  /** Of the dirty records, each key's newest. */
  get dirtyBytes(): number {
    return this.dirty;
  }

  /** Of all else that the slabs have: clean records, and what is not used any more. */
  get cacheBytes(): number {
    return this.slabs.bytes - this.dirty;
  }

  get changedGroups(): readonly GroupTable[] {
    return [...this.changed];
  }

  get allGroups(): readonly GroupTable[] {
    return this.groups.values();
  }

  group(number: number): GroupTable {
    let group = this.groups.get(number);
    if (!group) {
      group = new GroupTable(number);
      this.groups.set(number, group);
    }
    return group;
  }

  touch(group: GroupTable): void {
    if (!group.isChanged) {
      group.isChanged = true;
      this.changed.add(group);
    }
  }

  /** Adds what the engine will have more, or less, when it has the record at `position`. */
  addChange(position: number, sum: UsageCount): void {
    const { slabs } = this;
    sum.add(
      this.index.namesAt(position).namespace,
      Number(slabs.hasValue(position)) - Number(slabs.storedAt(position) >= 0),
      slabs.bytesAt(position) - slabs.storedBytesAt(position),
    );
  }

  /** Position of the key's record, or of what says that there is none, of whichever group; 0 where neither is here. */
  find(namespace: string, key: string): number {
    return this.index.look(namespace, key);
  }

  markAt(position: number): PageMark {
    return { namespace: this.index.namesAt(position).namespace, key: this.slabs.keyAt(position) };
  }

  /** It stays when the hand passes. */
  use(position: number): void {
    this.slabs.at(position).words[wordOf(position) + KEY]! |= USED;
  }

  /** `record` undefined is a removal. Shares no bytes with it. */
  write(number: number, namespace: string, key: string, record: StrongRecord | undefined): void {
    const group = this.group(number);
    if (group.isClearing) {
      throw new TypeError(
        `Group ${number} is being deleted: nothing of it may be written until that has ended.`,
      );
    }
    this.index.encode(namespace, key);
    this.makeRoom(record);
    const old = this.index.find();
    if (old !== 0 && this.slabs.groupAt(old) !== number) {
      throw new TypeError(
        `The key ${JSON.stringify(key)} (namespace ${namespace}) is of group ${this.slabs.groupAt(old)}, not of ${number}.`,
      );
    }
    const position = this.slabs.place(number, this.index.key, record, DIRTY);
    if (old === 0) {
      this.slabs.setStored(position, UNKNOWN);
    } else {
      this.slabs.copyStored(position, old);
    }
    if (old !== 0 && this.isListed(old, group)) {
      this.listAt(position, group, this.slabs.at(old).words[wordOf(old) + DIRTY_AT]!);
    } else {
      this.listAt(position, group, group.dirty.length);
      this.touch(group);
    }
    this.name(position, old);
    group.hasDirtyExpiries ||= record !== undefined && record.expiresAtMs > 0;
  }

  /** What the engine has of a key that is not here. */
  load(group: number, namespace: string, key: string, record: StrongRecord | undefined): void {
    this.index.encode(namespace, key);
    this.makeRoom(record);
    if (this.index.find() === 0) {
      const position = this.slabs.place(group, this.index.key, record, 0);
      this.slabs.setStoredAs(position, position);
      this.name(position, 0);
    }
  }

  /** Hands the group's dirty records to a checkpoint. */
  take(group: GroupTable): readonly number[] {
    group.taken = group.dirty;
    group.settled = 0;
    group.dirty = [];
    group.round++;
    group.isChanged = false;
    this.changed.delete(group);
    for (const position of group.taken) {
      this.slabs.at(position).taken++;
    }
    return group.taken;
  }

  /** What was taken is in the engine, up to that place. */
  settle(group: GroupTable, to: number): void {
    for (; group.settled < to; group.settled++) {
      const position = group.taken[group.settled]!;
      const now = this.newestOf(position);
      if (now !== 0) {
        this.slabs.setStoredAs(now, position);
      }
      if (now === position) {
        this.beClean(position);
      }
      this.letGo(position);
    }
    if (to === group.taken.length) {
      group.taken = [];
    }
    this.shrink();
  }

  /** The checkpoint failed: what was not written again since is dirty as before. */
  giveBack(group: GroupTable): void {
    const { taken } = group;
    group.taken = [];
    for (const position of taken) {
      const now = this.newestOf(position);
      if (now !== 0) {
        // Whether the engine has it is not known.
        this.slabs.setStored(now, UNKNOWN);
      }
      if (now === position) {
        this.listAt(position, group, group.dirty.length);
      }
      this.letGo(position);
    }
    this.touch(group);
  }

  /** Forgets all records of the group. */
  drop(group: GroupTable): void {
    for (let slab = this.slabs.byAge.oldest; slab;) {
      const { newer } = slab;
      for (const position of slab.positions()) {
        if (this.slabs.flagsAt(position, slab) & NAMED && this.slabs.groupAt(position) === group.number) {
          this.forget(position);
        }
      }
      slab = newer;
    }
    group.dirty = [];
    group.isChanged = false;
    this.changed.delete(group);
  }

  /** Before positions are looked up: to make room may move them. */
  private makeRoom(record: StrongRecord | undefined): void {
    const coming = this.slabs.needs(sizeOf(this.index.key.length, record?.value.length ?? 0));
    if (coming > 0) {
      this.shrink(coming);
    }
  }

  /** Whether it is among those that the next checkpoint takes. */
  private isListed(position: number, group: GroupTable): boolean {
    const { words } = this.slabs.at(position);
    const word = wordOf(position);
    return (words[word + KEY]! & DIRTY) !== 0 && words[word + ROUND] === group.round;
  }

  private listAt(position: number, group: GroupTable, place: number): void {
    const { words } = this.slabs.at(position);
    const word = wordOf(position);
    words[word + DIRTY_AT] = place;
    words[word + ROUND] = group.round;
    group.dirty[place] = position;
  }

  /** From now on its key leads to it, and no longer to `old` where that is not 0. */
  private name(position: number, old: number): void {
    if (old === 0) {
      this.index.add(position);
    } else {
      this.index.replace(old, position);
      this.unname(old);
    }
    const slab = this.slabs.at(position);
    slab.words[wordOf(position) + KEY]! |= NAMED;
    this.count(slab, position, 1);
  }

  private forget(position: number): void {
    this.index.remove(position);
    this.unname(position);
  }

  /** Where the key of a record that was taken is now; 0 where it is not here any more. */
  private newestOf(position: number): number {
    return this.slabs.isNamedAt(position) ? position : this.index.findAgain(position);
  }

  private unname(position: number): void {
    const slab = this.slabs.at(position);
    this.count(slab, position, -1);
    slab.words[wordOf(position) + KEY]! &= ~NAMED;
    this.slabs.giveUpIfEmpty(slab);
  }

  private count(slab: Slab, position: number, sign: 1 | -1): void {
    const bytes = sign * slab.sizeAt(position);
    slab.named += sign;
    slab.namedBytes += bytes;
    this.namedBytes += bytes;
    if (this.slabs.flagsAt(position, slab) & DIRTY) {
      slab.dirtyBytes += bytes;
      this.dirty += bytes;
    }
  }

  private beClean(position: number): void {
    const slab = this.slabs.at(position);
    const bytes = slab.sizeAt(position);
    slab.words[wordOf(position) + KEY]! &= ~DIRTY;
    slab.dirtyBytes -= bytes;
    this.dirty -= bytes;
  }

  /** The checkpoint needs it no more. */
  private letGo(position: number): void {
    const slab = this.slabs.at(position);
    slab.taken--;
    this.slabs.giveUpIfEmpty(slab);
  }

  /**
   * Gives slabs back, from the oldest on, as long as there are too many with `coming` bytes more. Whether there still are,
   * though some were given back: enough was done for a turn.
   */
  shrink(coming = 0): boolean {
    const { slabs } = this;
    const before = slabs.bytes;
    let looked = 0;
    let slab = slabs.byAge.oldest;
    // Twice around: the first time what was asked for stays.
    for (let left = 2 * slabs.count; slab && left > 0 && this.isTooLarge(coming); left--) {
      if (looked >= LOOKED_BYTES) {
        return slabs.bytes < before;
      }
      const { newer } = slab;
      const evicts = this.mustEvict;
      if (this.isWorthCleaning(slab, evicts)) {
        looked += slab.isOfOne ? HEAD_BYTES : slab.used;
        this.clean(slab, evicts);
      }
      slab = newer ?? slabs.byAge.oldest;
    }
    return false;
  }

  private isTooLarge(coming: number): boolean {
    return this.cacheBytes + coming > this.cacheBytesMax || this.isWasteful || this.slabs.isCrowded;
  }

  private get isWasteful(): boolean {
    const { bytes, slabBytes } = this.slabs;
    return bytes > WASTE_FACTOR * this.namedBytes + WASTE_SLABS * slabBytes;
  }

  /** Else much of the cache is not used, and moving what is makes room enough. */
  private get mustEvict(): boolean {
    return this.namedBytes - this.dirty > this.cacheBytesMax * EVICTING || this.slabs.isCrowded;
  }

  private isWorthCleaning(slab: Slab, evicts: boolean): boolean {
    const givenOut = this.slabs.givenOut(slab);
    const gained = givenOut - (evicts ? slab.dirtyBytes : slab.namedBytes);
    const isSoon = this.cacheBytes > PATIENCE * this.cacheBytesMax || this.isWasteful;
    return slab.taken === 0 && gained >= givenOut * (isSoon ? WORTH_CLEANING_SOON : WORTH_CLEANING);
  }

  /** Moves what is of use in it. */
  private clean(slab: Slab, evicts: boolean): void {
    this.slabs.close(slab);
    for (const position of slab.positions()) {
      const flags = this.slabs.flagsAt(position, slab);
      if ((flags & NAMED) === 0) {
        continue;
      }
      if (evicts && (flags & (DIRTY | USED)) === 0) {
        this.forget(position);
      } else if (slab.isOfOne) {
        slab.words[wordOf(position) + KEY] = flags & ~USED;
        this.slabs.renew(slab);
      } else {
        this.move(slab, position, evicts ? flags & ~USED : flags);
      }
    }
    this.slabs.giveUpIfEmpty(slab);
  }

  private move(slab: Slab, from: number, flags: number): void {
    const to = this.slabs.copy(from, slab, flags);
    this.name(to, from);
    if (flags & DIRTY) {
      const { words } = this.slabs.at(to);
      this.listAt(to, this.group(this.slabs.groupAt(to)), words[wordOf(to) + DIRTY_AT]!);
    }
  }
}
