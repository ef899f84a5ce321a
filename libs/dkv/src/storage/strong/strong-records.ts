/** The strong records of a node: a table in memory over what checkpoints have written into the engine. */
import { DkvError } from '../../dkv.errors.js';
import { type StoreEngine } from '../engines/store-engine.js';
import { type Logger } from '../../ports/logger.js';
import { type NodeLog } from '../../ports/node-log.js';
import {
  type FoundRecord,
  type GroupState,
  type GroupStateOf,
  type KeyedRecord,
  type PageMark,
  type RecordPage,
  type StrongRecord,
  type StrongStore,
  type StrongStoreMetrics,
} from '../../ports/strong-store.js';
import { logDurable } from './wait-for-log.js';
import { deleteRange } from './delete-range.js';
import { checkpointGroup } from './group-checkpoint.js';
import { nameOf, RecordLoads } from './record-loads.js';
import { expiredRecords, isAny, type ScanSource, scanRecords } from './record-scan.js';
import { type GroupTable } from './group-table.js';
import { RecordTable } from './record-table.js';
import { storageError } from '../storage-error.js';
import {
  decodeState,
  encodeState,
  expiryRange,
  groupInStateKey,
  RecordEncoder,
  recordsRange,
  stateKey,
  STATES_RANGE,
} from './strong-keys.js';
import { CLUSTER_NAMESPACE } from '../../model/membership.js';
import { bytesIn, NO_USAGE, UsageCount } from '../../model/usage.js';
import { recoverRemedy } from '../../model/recover-remedy.js';

/** Chunks of 32 KiB that are kept for the next group of a checkpoint. */
const CHUNKS_MAX = 32;
/** Names of damaged records that are remembered, so that each is counted and logged once. */
const DAMAGED_MAX = 1_000;

export interface StrongRecordsOptions {
  /** Shared with others; not closed here. */
  readonly engine: StoreEngine;
  readonly log: NodeLog;
  readonly logger: Logger;
  /** The folder, for messages. */
  readonly where: string;
  /** Of records that checkpoints have, for quick reads. */
  readonly cacheBytesMax: number;
  /** Of records that no checkpoint has: from here on the store is `full`. */
  readonly dirtyBytesMax: number;
  /** From so many bytes on, `onCheckpointDue` is called, once until the next checkpoint. */
  readonly checkpointBytes: number;
  readonly onCheckpointDue: () => void;
}

export interface StrongRecordsMetrics extends StrongStoreMetrics {
  /** Damaged records that reads met since the start, each once. */
  readonly corruptRecords: number;
}

export class StrongRecords implements StrongStore {
  private readonly table: RecordTable;
  private readonly source: ScanSource;
  private readonly loads: RecordLoads;
  /** Of checkpoints, one after the other. */
  private readonly encoder = new RecordEncoder(CHUNKS_MAX);
  private readonly damaged = new Set<string>();
  private readonly stored = new Map<number, GroupState>();
  private readonly nextTurn: () => Promise<void>;
  private stateOf: GroupStateOf | undefined;
  private onCorrupt: (group: number) => void = () => undefined;
  /** The end of what runs alone: checkpoints and deletions of groups. */
  private last: Promise<unknown> = Promise.resolve();
  private dueAtBytes: number;
  /** Written by a checkpoint, and not synced since. */
  private unsynced: GroupTable | undefined;
  private hits = 0;
  private misses = 0;
  private corrupt = 0;

  private constructor(private readonly options: StrongRecordsOptions) {
    const { engine, where, cacheBytesMax, dirtyBytesMax } = options;
    this.table = new RecordTable(cacheBytesMax, dirtyBytesMax);
    this.source = { engine, table: this.table, read: this.read.bind(this), damage: this.damage.bind(this) };
    this.loads = new RecordLoads(this.source, where);
    this.dueAtBytes = options.checkpointBytes;
    this.nextTurn = engine.nextTurn?.bind(engine) ?? (() => Promise.resolve());
  }

  /** Reads the groups' states. @throws DkvError `DKV_STORAGE_FAILED`, `DKV_CORRUPT_RECORD` naming a group */
  static async open(options: StrongRecordsOptions): Promise<StrongRecords> {
    const store = new StrongRecords(options);
    try {
      for await (const { key, value } of options.engine.iterate(STATES_RANGE)) {
        const { usage, ...state } = decodeState(key, value, options.where);
        const group = store.table.group(groupInStateKey(key));
        group.usage = usage;
        store.stored.set(group.number, state);
      }
      for (const group of store.table.allGroups) {
        group.hasExpiries = await isAny(options.engine, expiryRange(group.number));
      }
    } catch (error) {
      throw storageError(`Reading from ${options.where}`, error);
    }
    return store;
  }

  get states(): ReadonlyMap<number, GroupState> {
    return this.stored;
  }

  get failure(): DkvError | undefined {
    const { engine, where } = this.options;
    return engine.failure && storageError(`Writing a checkpoint to ${where}`, engine.failure);
  }

  get full(): boolean {
    return this.table.dirtyBytes >= this.options.dirtyBytesMax;
  }

  get dirtyBytes(): number {
    return this.table.dirtyBytes;
  }

  /** Whether a checkpoint would write anything. */
  get isChanged(): boolean {
    return this.table.changedGroups.length > 0;
  }

  attach(stateOf: GroupStateOf, onCorrupt: (group: number) => void): void {
    this.stateOf = stateOf;
    this.onCorrupt = onCorrupt;
  }

  groupOf(namespace: string, key: string): number | undefined {
    const position = this.table.find(namespace, key);
    return position === 0 ? undefined : this.table.slabs.groupAt(position);
  }

  find(namespace: string, key: string): FoundRecord | undefined {
    const { table } = this;
    const position = table.find(namespace, key);
    if (position === 0) {
      return undefined;
    }
    table.use(position);
    this.hits++;
    return { group: table.slabs.groupAt(position), record: table.slabs.recordAt(position) };
  }

  peek(group: number, namespace: string, key: string): StrongRecord | null | undefined {
    const found = this.find(namespace, key);
    if (found?.group !== group) {
      return this.table.group(group).isClearing ? null : undefined;
    }
    return found.record ?? null;
  }

  /** @throws DkvError `DKV_STORAGE_FAILED`, `DKV_CORRUPT_RECORD` naming the key */
  async read(group: number, namespace: string, key: string): Promise<StrongRecord | undefined> {
    const known = this.peek(group, namespace, key);
    if (known !== undefined) {
      return known ?? undefined;
    }
    this.misses++;
    if (this.table.find(namespace, key) !== 0) {
      // A key that another group has is in no engine under this one.
      return undefined;
    }
    const record = await this.loads.read(group, namespace, key);
    // What was written since it was asked for is in memory, or in the engine by now.
    return record === 'overtaken' ? this.read(group, namespace, key) : record;
  }

  put(group: number, namespace: string, key: string, record: StrongRecord): void {
    this.write(group, namespace, key, record);
  }

  remove(group: number, namespace: string, key: string): void {
    this.write(group, namespace, key, undefined);
  }

  touch(group: number): void {
    this.table.touch(this.table.group(group));
  }

  /** @throws DkvError `DKV_STORAGE_FAILED`, `DKV_CORRUPT_RECORD`: nothing is left out of a page in silence */
  async scan(group: number, after: PageMark | undefined, bytesMax: number): Promise<RecordPage> {
    try {
      return await scanRecords(this.source, this.table.group(group), after, bytesMax);
    } catch (error) {
      throw storageError(`Reading from ${this.options.where}`, error);
    }
  }

  mayExpire(group: number): boolean {
    const { hasExpiries, hasDirtyExpiries } = this.table.group(group);
    return hasExpiries || hasDirtyExpiries;
  }

  /** Leaves out damaged records, which were told of. @throws DkvError `DKV_STORAGE_FAILED` */
  async expired(group: number, nowMs: number, limit: number): Promise<readonly KeyedRecord[]> {
    try {
      return await expiredRecords(this.source, this.table.group(group), nowMs, limit);
    } catch (error) {
      throw storageError(`Reading from ${this.options.where}`, error);
    }
  }

  /**
   * Until it resolves, and after a failure, the group reads as empty.
   * @throws DkvError `DKV_STORAGE_FAILED`, `DKV_READ_ONLY`
   */
  async clear(number: number): Promise<void> {
    const { engine, log, where } = this.options;
    const group = this.table.group(number);
    const state = this.stateNow(number);
    const durable = logDurable(log);
    durable.catch(() => undefined);
    group.isClearing = true;
    this.table.drop(group);
    this.loads.overtakeGroup(number);
    await this.alone(async () => {
      try {
        await durable;
        // A crash from here on finds records that the state knows nothing of: its owner clears the group again.
        const value = encodeState(number, { ...state, usage: NO_USAGE });
        await engine.batch([{ type: 'put', key: stateKey(number), value }], { sync: true });
        this.stored.set(number, state);
        this.unsynced = undefined;
        await deleteRange(engine, expiryRange(number), this.nextTurn);
        await deleteRange(engine, recordsRange(number), this.nextTurn);
        // One more, so that the last deletion is durable too: the same state as before.
        await engine.batch([{ type: 'put', key: stateKey(number), value }], { sync: true });
      } catch (error) {
        throw storageError(`Deleting group ${number} in ${where}`, error);
      }
      group.usage = NO_USAGE;
      group.hasExpiries = false;
      group.isClearing = false;
    });
  }

  /**
   * When it resolves, {@link states} and the records they show are durable in the engine.
   * @throws DkvError `DKV_STORAGE_FAILED`, or the log's: what was not written is dirty as before, and may be tried again
   */
  checkpoint(): Promise<void> {
    return this.alone(async () => {
      const { engine, log, where } = this.options;
      this.dueAtBytes = Infinity;
      try {
        const groups = this.table.changedGroups;
        for (const [at, group] of groups.entries()) {
          // A group that is dropped meanwhile writes its own state.
          if (group.isChanged) {
            const sync = at === groups.length - 1 || !engine.syncsEarlier;
            const state = this.stateNow(group.number);
            const site = { engine, log, table: this.table, encoder: this.encoder, nextTurn: this.nextTurn };
            await checkpointGroup(site, group, state, sync);
            this.stored.set(group.number, state);
            this.unsynced = sync ? undefined : group;
            await this.nextTurn();
          }
        }
        await this.syncEarlier();
        while (this.table.shrink()) {
          await this.nextTurn();
        }
      } catch (error) {
        throw storageError(`Writing a checkpoint to ${where}`, error);
      } finally {
        this.dueAtBytes = this.options.checkpointBytes;
      }
    });
  }

  /** Where the last group of a checkpoint was dropped or failed, no batch has made those before it durable. */
  private async syncEarlier(): Promise<void> {
    if (this.unsynced) {
      const { number, usage } = this.unsynced;
      const value = encodeState(number, { ...this.stored.get(number)!, usage });
      await this.options.engine.batch([{ type: 'put', key: stateKey(number), value }], { sync: true });
      this.unsynced = undefined;
    }
  }

  metrics(): StrongRecordsMetrics {
    const sum = new UsageCount();
    for (const { usage, dirty } of this.table.allGroups) {
      sum.addAll(usage);
      dirty.forEach((position) => this.table.addChange(position, sum));
    }
    const usage = new Map(sum.byNamespace);
    usage.delete(CLUSTER_NAMESPACE);
    return {
      usage,
      dirtyBytes: this.table.dirtyBytes,
      cacheBytes: this.table.cacheBytes,
      cacheHits: this.hits,
      cacheMisses: this.misses,
      corruptRecords: this.corrupt,
    };
  }

  bytesOf(group: number): number {
    const { usage, dirty } = this.table.group(group);
    const sum = new UsageCount(usage);
    dirty.forEach((position) => this.table.addChange(position, sum));
    return Math.max(0, Math.round(bytesIn(sum.byNamespace)));
  }

  private write(group: number, namespace: string, key: string, record: StrongRecord | undefined): void {
    this.table.write(group, namespace, key, record);
    this.loads.overtake(group, namespace, key);
    if (this.damaged.size > 0) {
      this.damaged.delete(nameOf(group, namespace, key));
    }
    if (this.table.dirtyBytes >= this.dueAtBytes) {
      this.dueAtBytes = Infinity;
      this.options.onCheckpointDue();
    }
  }

  /** Counts and tells of a damaged record, and gives the error for who asked for it. */
  private damage(group: number, namespace: string, key: string, cause?: unknown): DkvError {
    const { where, logger } = this.options;
    const error = new DkvError(
      'DKV_CORRUPT_RECORD',
      `The record of key ${JSON.stringify(key)} (namespace ${namespace}, group ${group}) in ${where} is damaged. ` +
        `The partition is fetched again from the other copies; where there is none: ${recoverRemedy(where)}`,
      { cause },
    );
    const name = nameOf(group, namespace, key);
    if (!this.damaged.has(name)) {
      this.corrupt++;
      if (this.damaged.size < DAMAGED_MAX) {
        this.damaged.add(name);
        logger.error(error.message);
      }
    }
    this.onCorrupt(group);
    return error;
  }

  private stateNow(group: number): GroupState {
    if (!this.stateOf) {
      throw new TypeError('The store of strong records has no states to write: call attach first.');
    }
    return this.stateOf(group);
  }

  /** Runs `work` when all before has ended. */
  private alone(work: () => Promise<void>): Promise<void> {
    const run = this.last.then(work);
    this.last = run.catch(() => undefined);
    return run;
  }
}
