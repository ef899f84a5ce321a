/** A folder of files that outlives the processes that use it, and keeps after a crash only what was synced. */
import { DkvError } from '../../src/dkv.errors.js';
import { type Incarnation } from './incarnation.js';
import { type DelayShape, type SimRandom } from './sim-random.js';
import { type SimScheduler } from './sim-scheduler.js';
import { type SimTrace } from './trace.js';

/** How the folder's disk misbehaves. Rates are probabilities from 0 to 1, per operation. */
export interface FileFaults {
  readonly readDelay: DelayShape;
  /** Into the operating system's cache. */
  readonly writeDelay: DelayShape;
  /** Onto the medium. */
  readonly syncDelay: DelayShape;
  /** Writes that complete during the call, as `writeSync` does. */
  readonly inlineWriteRate: number;
  readonly readErrorRate: number;
  /** Some or all of the bytes may be written nevertheless. */
  readonly writeErrorRate: number;
  /** What a failed write says: EIO, ENOSPC, EAGAIN … */
  readonly writeErrorCode: string;
  /** EIO. */
  readonly truncateErrorRate: number;
  /** EIO; what was not synced by then may never be, though it can be read until the power goes. */
  readonly syncErrorRate: number;
  /** Opening or creating a file fails with EMFILE. */
  readonly openErrorRate: number;
  /** Writes fail with ENOSPC once the files are this large together; what fits is written. */
  readonly capacityBytes: number;
  /** Nothing completes until this is over. */
  readonly stalled: boolean;
}

export const CALM_FILES: FileFaults = {
  readDelay: { minMs: 0.05, meanMs: 0.1, maxMs: 2 },
  writeDelay: { minMs: 0.005, meanMs: 0.02, maxMs: 2 },
  syncDelay: { minMs: 0.3, meanMs: 0.6, maxMs: 20 },
  inlineWriteRate: 0.5,
  readErrorRate: 0,
  writeErrorRate: 0,
  writeErrorCode: 'EIO',
  truncateErrorRate: 0,
  syncErrorRate: 0,
  openErrorRate: 0,
  capacityBytes: Infinity,
  stalled: false,
};

export interface SimFolderOptions {
  readonly scheduler: SimScheduler;
  /** This folder's own stream. */
  readonly random: SimRandom;
  readonly trace: SimTrace;
  /** For the trace: the node's id. */
  readonly name: string;
  readonly faults?: Partial<FileFaults>;
}

type Change =
  | { readonly type: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly type: 'truncate'; readonly sizeBytes: number };

/** Bytes that grow: a copy of the whole a write would make long files slow. */
class Bytes {
  private buffer: Buffer;
  length: number;

  constructor(content: Uint8Array = Buffer.alloc(0)) {
    this.buffer = Buffer.from(content);
    this.length = content.length;
  }

  /** Only until the next change. */
  get view(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  apply(change: Change): void {
    if (change.type === 'truncate') {
      this.resize(change.sizeBytes);
      return;
    }
    this.resize(Math.max(this.length, change.offset + change.bytes.length));
    change.bytes.copy(this.buffer, change.offset);
  }

  private resize(length: number): void {
    if (length > this.buffer.length) {
      const grown = Buffer.alloc(2 * length);
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    this.buffer.fill(0, Math.min(length, this.length), Math.max(length, this.length));
    this.length = length;
  }
}

/** One file: what is read, what is on the medium, and what leads from the one to the other. */
export class SimInode {
  private cache: Bytes;
  private readonly medium: Bytes;
  private readonly unsynced: Change[] = [];

  constructor(content?: Uint8Array) {
    this.cache = new Bytes(content);
    this.medium = new Bytes(content);
  }

  /** What is read. Only until the next change. */
  get content(): Buffer {
    return this.cache.view;
  }

  get unsyncedChanges(): number {
    return this.unsynced.length;
  }

  change(change: Change): void {
    this.cache.apply(change);
    this.unsynced.push(change);
  }

  /** Puts the first `count` unsynced changes onto the medium: those made before the sync began. */
  sync(count: number): void {
    this.unsynced.splice(0, count).forEach((change) => this.medium.apply(change));
  }

  /** Takes the first `count` unsynced changes for clean, though they are not on the medium. */
  markClean(count: number): void {
    this.unsynced.splice(0, count);
  }

  /** Keeps what is on the medium, `count` more changes, and of the one after these so many of its bytes as `torn` says. */
  losePower(count: number, torn: (length: number) => number): void {
    const partial = this.unsynced[count];
    this.sync(count);
    if (partial?.type === 'write') {
      const bytes = partial.bytes.subarray(0, torn(partial.bytes.length));
      this.medium.apply({ type: 'write', offset: partial.offset, bytes });
    }
    this.unsynced.length = 0;
    this.cache = new Bytes(this.medium.view);
  }
}

type FolderChange =
  | { readonly type: 'link'; readonly name: string; readonly inode: SimInode }
  | { readonly type: 'rename'; readonly name: string; readonly to: string }
  | { readonly type: 'remove'; readonly name: string };

/** What {@link SimFolder.copy} gives: bytes by name, as they could be read then. */
export type FolderCopy = ReadonlyMap<string, Buffer>;

/**
 * Writes are in the cache and survive the kill of a process; a sync puts a file's onto the medium, in order. Losing power
 * keeps of each file a random prefix of what was not synced, its last write torn, and of the names a random prefix of what
 * was done to them since the folder was synced (as a journal keeps it).
 */
export class SimFolder {
  readonly scheduler: SimScheduler;
  readonly random: SimRandom;
  readonly trace: SimTrace;
  readonly name: string;
  faults: FileFaults;
  /** What was begun has ended by then, unless the disk is stalled. */
  busyUntilMs = 0;
  names = new Map<string, SimInode>();
  private durableNames = new Map<string, SimInode>();
  private unsyncedNames: FolderChange[] = [];
  private user: Incarnation | undefined;
  private waiting: (() => void)[] = [];

  constructor({ scheduler, random, trace, name, faults }: SimFolderOptions) {
    this.scheduler = scheduler;
    this.random = random;
    this.trace = trace;
    this.name = name;
    this.faults = { ...CALM_FILES, ...faults };
  }

  setFaults(faults: Partial<FileFaults>): void {
    this.faults = { ...this.faults, ...faults };
    this.goOn();
  }

  /** Works again as a good disk does. What was lost stays lost. */
  heal(): void {
    this.faults = CALM_FILES;
    this.goOn();
  }

  /** Resolves when the disk is not stalled. */
  async ready(): Promise<void> {
    while (this.faults.stalled) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** One living process at a time. */
  mount(user: Incarnation): void {
    if (this.user?.alive === true && this.user !== user) {
      throw new DkvError('DKV_STORE_LOCKED', `The folder of ${this.name} is in use by ${this.user.name}.`);
    }
    this.user = user;
  }

  /** Of all files, as they can be read. */
  get bytes(): number {
    return [...this.names.values()].reduce((sum, { content }) => sum + content.length, 0);
  }

  changeNames(change: FolderChange): void {
    applyToNames(this.names, change);
    this.unsyncedNames.push(change);
  }

  syncNames(): void {
    this.durableNames = new Map(this.names);
    this.unsyncedNames = [];
  }

  /**
   * A failed sync may mark as clean what it could not write: it stays readable, and no later sync tries it again (Rebello
   * et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020).
   */
  failSync(inode: SimInode, count: number): void {
    const isForgotten = this.random.chance(0.5);
    if (isForgotten) {
      inode.markClean(count);
    }
    this.note('sync-failed', isForgotten ? 'what was not synced is marked clean' : 'nothing marked');
  }

  /** The machine went down. Kill the process first. */
  losePower(): void {
    this.assertUnused('losePower');
    const kept = this.random.int(this.unsyncedNames.length + 1);
    this.names = new Map(this.durableNames);
    this.unsyncedNames.slice(0, kept).forEach((change) => applyToNames(this.names, change));
    this.note('power-loss', `keeps ${kept} of ${this.unsyncedNames.length} changes of names`);
    for (const inode of new Set(this.names.values())) {
      const count = this.random.int(inode.unsyncedChanges + 1);
      inode.losePower(count, (length) => this.random.int(length + 1));
    }
    this.syncNames();
  }

  /** A new, empty disk. Kill the process first. */
  wipe(): void {
    this.putBack(new Map());
  }

  copy(): FolderCopy {
    return new Map([...this.names].map(([name, { content }]) => [name, Buffer.from(content)]));
  }

  /** The whole folder as it was when it was copied. Kill the process first. */
  putBack(copy: FolderCopy): void {
    this.assertUnused('putBack');
    this.note('put-back', `${copy.size} files`);
    this.names = new Map();
    for (const [name, bytes] of copy) {
      this.names.set(name, new SimInode(bytes));
    }
    this.syncNames();
  }

  /** Flips one random bit of one file whose name fits; false when there is none. Kill the process first. */
  corrupt(pattern = /./): boolean {
    this.assertUnused('corrupt');
    const names = [...this.names.keys()]
      .filter((name) => pattern.test(name) && this.names.get(name)!.content.length > 0)
      .sort();
    if (names.length === 0) {
      return false;
    }
    const name = this.random.pick(names);
    this.flip(name, this.random.int(8 * this.names.get(name)!.content.length));
    return true;
  }

  /** Flips the bit `bit` of a file. */
  flip(name: string, bit: number): void {
    const bytes = Buffer.from(this.names.get(name)!.content);
    bytes[bit >>> 3]! ^= 1 << (bit & 7);
    this.names.set(name, new SimInode(bytes));
    this.syncNames();
    this.note('corrupt', `bit ${bit} of ${name}`);
  }

  note(kind: string, detail: string): void {
    this.trace.record(this.scheduler.nowMs, kind, `${this.name} ${detail}`);
  }

  private goOn(): void {
    if (!this.faults.stalled) {
      this.waiting.splice(0).forEach((resolve) => resolve());
    }
  }

  private assertUnused(what: string): void {
    if (this.user?.alive === true) {
      throw new TypeError(`${what}: kill ${this.user.name} first, it has the folder of ${this.name} open.`);
    }
  }
}

function applyToNames(names: Map<string, SimInode>, change: FolderChange): void {
  if (change.type === 'link') {
    names.set(change.name, change.inode);
    return;
  }
  const inode = names.get(change.name);
  names.delete(change.name);
  if (change.type === 'rename' && inode) {
    names.set(change.to, inode);
  }
}
