/** Everything that a node keeps: its log, its engine, the records over both, opened in order and closed in order. */
import { DkvError } from '../dkv.errors.js';
import { EngineLocalKvRepo } from './eventual/engine-local-kv-repo.js';
import { FailStopEngine } from './engines/fail-stop-engine.js';
import { type StoreEngine } from './engines/store-engine.js';
import { UsageCount } from '../model/usage.js';
import { type Clock } from '../ports/clock.js';
import { type LocalKvRepo, type StoreIdentity } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { type NodeLog } from '../ports/node-log.js';
import { type StorageMetrics } from '../ports/storage-metrics.js';
import { type GroupState } from '../ports/strong-store.js';
import { Checkpointer } from './checkpointer.js';
import { GroupReplay, type LoggedGroup } from './group-replay.js';
import { type LogFiles } from './log/log-files.js';
import { type LogDurability } from './log/log-writer.js';
import { MemoryNodeLog } from './log/memory-node-log.js';
import { openNodeLog } from './log/open-node-log.js';
import { LoggedEngine } from './logged-engine.js';
import { MachineRun } from './folder/machine-run.js';
import { StrongRecords } from './strong/strong-records.js';
import { isPassing } from './storage-error.js';

/** Where a node keeps it: a data folder, memory, a simulated disk. */
export interface StorageHome {
  /** For messages: the folder. */
  readonly where: string;
  /** @throws DkvError as `LocalKvRepo.open` does; then nothing is held. */
  openEngine(identity: StoreIdentity): Promise<StoreEngine>;
  /** The folder of the log, once the engine is open; undefined for none: nothing outlives the process. */
  logFiles(): Promise<LogFiles | undefined>;
  /** Names the boot of the machine; '' where that cannot be told. */
  machineBootId(): Promise<string>;
  /** Adds a text to a file beside the data that no node reads, durably. */
  keep(name: string, text: string): Promise<void>;
  /** Everything is closed. */
  release(): void;
}

export interface NodeStorageOptions {
  readonly durability: LogDurability;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes that may wait to be appended before writes are refused. */
  readonly pendingBytesMax: number;
  /** Of hot records in memory, of strong and of eventual namespaces each half. */
  readonly cacheBytesMax: number;
  /** Of records that no checkpoint has, of each sort. */
  readonly dirtyBytesMax: number;
  readonly checkpointIntervalMs: number;
  readonly logBytesMax: number;
  readonly segmentBytesMax?: number;
  readonly reserveBytes?: number;
  /** Goes on without what is behind damage of the log, and says that the node forgot: for `dkv recover`. Default false. */
  readonly cutDamage?: boolean;
}

export class NodeStorage {
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly home: StorageHome,
    private readonly run: MachineRun | undefined,
    private readonly checkpointer: Checkpointer,
    readonly local: LocalKvRepo,
    readonly strong: StrongRecords,
    readonly log: NodeLog,
    readonly groups: ReadonlyMap<number, LoggedGroup>,
    /** Why the node may have forgotten what it acknowledged; undefined where it cannot have. */
    readonly forgot: string | undefined,
  ) {}

  /** @throws DkvError as `LocalKvRepo.open`; `DKV_LOG_DAMAGED` */
  static async open(
    home: StorageHome,
    identity: StoreIdentity,
    options: NodeStorageOptions,
  ): Promise<NodeStorage> {
    const engine = new FailStopEngine(await home.openEngine(identity));
    try {
      return await openParts(home, engine, identity, options, (...parts) => new NodeStorage(...parts));
    } catch (error) {
      // What went wrong first is what counts.
      await engine.close().catch(() => undefined);
      home.release();
      throw error;
    }
  }

  /**
   * Why nothing can be written, or no checkpoint made until a restart; undefined when both can. A store's failure lasts, so
   * it goes before a log's, which may pass.
   */
  get failure(): Error | undefined {
    return this.strong.failure ?? this.log.failure ?? this.local.failure;
  }

  /** Nothing outlives the process. */
  get isVolatile(): boolean {
    return this.run === undefined;
  }

  get hintBytes(): number {
    return this.local.hintBytes;
  }

  /** Of eventual and strong records together. */
  metrics(): StorageMetrics {
    const local = this.local.metrics();
    const strong = this.strong.metrics();
    const usage = new UsageCount(local.usage);
    usage.addAll(strong.usage);
    return {
      ...local,
      usage: usage.byNamespace,
      cacheHits: (local.cacheHits ?? 0) + strong.cacheHits,
      cacheMisses: (local.cacheMisses ?? 0) + strong.cacheMisses,
      cacheBytes: (local.cacheBytes ?? 0) + strong.cacheBytes,
      dirtyBytes: strong.dirtyBytes,
      corruptRecords: strong.corruptRecords,
      logBytes: this.log.bytes,
      checkpointAgeMs: this.checkpointer.ageMs,
    };
  }

  /** The node has said durably, to itself, that it is another voter from now on. Nothing was answered before. */
  async acceptForgetting(): Promise<void> {
    await this.log.acceptEnd();
    await this.run?.begin();
  }

  /** Makes what was decided durable in the engine, so that the log may go. */
  checkpoint(): Promise<void> {
    return this.checkpointer.run();
  }

  /** Adds a text to a file beside the data that no node reads, durably. */
  keep(name: string, text: string): Promise<void> {
    return this.home.keep(name, text);
  }

  /** Writes what waits, makes a last checkpoint, and marks the folder as closed in order where all of that succeeded. */
  close(): Promise<void> {
    this.closing ??= this.finish();
    return this.closing;
  }

  private async finish(): Promise<void> {
    const failures: unknown[] = [];
    const step = async (work: () => Promise<unknown>) => {
      try {
        await work();
      } catch (error) {
        failures.push(error);
      }
    };
    await step(() => this.checkpointer.stop());
    await step(() => this.local.close());
    await step(() => this.log.close());
    if (failures.length === 0 && !this.log.failure) {
      await step(async () => this.run?.end());
    }
    this.home.release();
    if (failures.length > 0) {
      const [cause] = failures;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DkvError('DKV_STORAGE_FAILED', `Closing the store in ${this.home.where} failed: ${reason}.`, {
        cause,
      });
    }
  }
}

type Make = (
  ...parts: [
    StorageHome,
    MachineRun | undefined,
    Checkpointer,
    LocalKvRepo,
    StrongRecords,
    NodeLog,
    ReadonlyMap<number, LoggedGroup>,
    string | undefined,
  ]
) => NodeStorage;

async function openParts(
  home: StorageHome,
  engine: StoreEngine,
  identity: StoreIdentity,
  options: NodeStorageOptions,
  make: Make,
): Promise<NodeStorage> {
  const { durability, clock, logger, pendingBytesMax, cacheBytesMax, dirtyBytesMax } = options;
  const { where } = home;
  const files = await home.logFiles();
  const run = files && (await MachineRun.open(files, await home.machineBootId(), durability));
  const crashed = run?.hasCrashedUnderWal === true;
  // The store tells what the log must show it, and the log is where it writes to: each is opened with the other.
  const opened: { log?: NodeLog } = {};
  const shared = {
    engine,
    get log(): NodeLog {
      return opened.log!;
    },
    logger,
    where,
    checkpointBytes: dirtyBytesMax / 4,
    onCheckpointDue: () => checkpointer.ask(),
  };
  const logged = await LoggedEngine.open(withLog(shared, { overlayBytesMax: dirtyBytesMax }));
  const strong = await StrongRecords.open(
    withLog(shared, { cacheBytesMax: cacheBytesMax / 2, dirtyBytesMax }),
  );
  const replayed = new Map<number, GroupReplay>();
  const found = files
    ? await openLog(files, where, options, crashed, logged, strong.states, replayed)
    : { log: new MemoryNodeLog(), forgot: undefined };
  const { log } = found;
  opened.log = log;
  const checkpointer = new Checkpointer({
    logged,
    records: strong,
    log,
    engine,
    clock,
    logger,
    where,
    intervalMs: options.checkpointIntervalMs,
    logBytesMax: options.logBytesMax,
  });
  try {
    const local = new EngineLocalKvRepo(
      { where, open: async () => logged, release: () => undefined },
      // A batch that the log refused is not in it; and the log says itself when it takes nothing any more (rule 6).
      {
        durability,
        pendingBytesMax,
        cacheBytesMax: cacheBytesMax / 2,
        logger,
        isPassing: () => !isOver(log),
        isDiskFull: () => log.isDiskFull,
        failure: () => strong.failure,
      },
    );
    await local.open(identity);
    const forgot = crashed
      ? 'the machine went down while its log was not synced (durability was wal)'
      : found.forgot;
    if (forgot === undefined) {
      await run?.begin();
    }
    checkpointer.start();
    return make(home, run, checkpointer, local, strong, log, groupsOf(strong.states, replayed), forgot);
  } catch (error) {
    await log.close().catch(() => undefined);
    throw error;
  }
}

/** Options with the log as it is when it is asked for. */
function withLog<S extends { readonly log: NodeLog }, O>(shared: S, own: O): S & O {
  return Object.defineProperties({ ...own } as S & O, Object.getOwnPropertyDescriptors(shared));
}

/** Whether the log takes nothing until a restart. */
function isOver({ failure }: NodeLog): boolean {
  return failure !== undefined && !isPassing(failure);
}

async function openLog(
  files: LogFiles,
  dataDir: string,
  options: NodeStorageOptions,
  crashed: boolean,
  logged: LoggedEngine,
  states: ReadonlyMap<number, GroupState>,
  replayed: Map<number, GroupReplay>,
): Promise<{ readonly log: NodeLog; readonly forgot: string | undefined }> {
  const group = (number: number): GroupReplay => {
    let found = replayed.get(number);
    if (!found) {
      found = new GroupReplay(states.get(number));
      replayed.set(number, found);
    }
    return found;
  };
  const { log, end } = await openNodeLog(
    {
      ...options,
      files,
      dataDir,
      cutDamage: crashed || options.cutDamage === true,
      positionFloor: logged.coveredUpTo,
    },
    {
      hardState: (number, state) => {
        if (group(number).counts(state.generation)) {
          group(number).hardState = state;
        }
      },
      entry: (number, generation, term, index, kind, data) => {
        if (group(number).counts(generation)) {
          group(number).add(term, index, kind, data);
        }
      },
      reset: (number, generation, index) => {
        if (group(number).counts(generation)) {
          group(number).begin(index);
        }
      },
      batch: (position, bytes) => logged.replayBatch(position, bytes),
    },
  );
  return { log, forgot: end.forgot };
}

function groupsOf(
  states: ReadonlyMap<number, GroupState>,
  replayed: ReadonlyMap<number, GroupReplay>,
): ReadonlyMap<number, LoggedGroup> {
  const groups = new Map<number, LoggedGroup>();
  for (const number of new Set([...states.keys(), ...replayed.keys()])) {
    const replay = replayed.get(number);
    groups.set(number, {
      state: states.get(number),
      hardState: replay?.hardState,
      entries: replay?.entries ?? [],
      resetAt: replay?.resetAt ?? 0,
      generation: replay?.generation ?? 0,
    });
  }
  return groups;
}
