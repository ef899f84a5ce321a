/** The client that services inject: typed values in, typed values out. */
import { setMaxListeners } from 'node:events';
import { type ClusterView } from './cluster/cluster-view.js';
import { DkvError, isDkvError } from './dkv.errors.js';
import { READ_LEVELS, type ReadLevel, WRITE_LEVELS, type WriteLevel } from './model/consistency.js';
import { type NodeState } from './model/node.js';
import { type KvRecord } from './model/record.js';
import { physicalMsOf } from './model/version.js';
import { type Codec } from './ports/codec.js';
import { type LocalKvMetrics, type LocalKvRepo } from './ports/local-kv-repo.js';
import { type Processor } from './processor/processor.js';

/** A key and its value as stored. */
export interface KvPair<V = unknown> {
  readonly key: string;
  readonly value: V;
  /** When this version was written, milliseconds since 1970. */
  readonly modified: number;
  /** Text whose plain string order is the order of versions of this key. */
  readonly version: string;
}

export interface DkvCallOptions {
  /** Time for this call, in milliseconds. */
  readonly timeoutMs?: number;
  /** Gives the call up: a read rejects with `DKV_ABORTED`, a write already sent with `DKV_INDETERMINATE`. */
  readonly signal?: AbortSignal;
}

export interface DkvReadOptions extends DkvCallOptions {
  readonly consistency?: ReadLevel;
}

export interface DkvRemoveOptions extends DkvCallOptions {
  readonly consistency?: WriteLevel;
}

export interface DkvWriteOptions extends DkvRemoveOptions {
  /** Lifetime of the value in milliseconds, a whole number above 0. Default: for ever. */
  readonly ttlMs?: number;
}

export interface DkvNodeStatus {
  readonly nodeId: string;
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly zone: string;
  /** As seen from this node. */
  readonly state: NodeState;
  /** Partitions held, by role. */
  readonly partitions: { readonly holder: number; readonly replica: number };
}

export interface DkvMetrics extends LocalKvMetrics {
  readonly ready: boolean;
  readonly hintBytes: number;
  /** Own partitions of which a copy is on a node that is down. */
  readonly partitionsUnderReplicated: number;
}

export interface DkvClientDefaults {
  readonly namespace: string;
  readonly readConsistency: ReadLevel;
  readonly writeConsistency: WriteLevel;
  readonly readTimeoutMs: number;
  readonly revertTimeoutMs: number;
  readonly valueBytesMax: number;
}

/** The outcomes of a call on many keys of which some failed; `code` is the gravest of theirs. */
export class DkvManyError<T = unknown> extends DkvError {
  constructor(
    code: DkvError['code'],
    message: string,
    /** One per key, in the order of the call. */
    readonly outcomes: readonly PromiseSettledResult<T>[],
  ) {
    super(code, message, {
      cause: outcomes
        .filter((outcome) => outcome.status === 'rejected')
        .map(({ reason }) => reason as unknown)
        .find((reason) => isDkvError(reason, code)),
    });
  }
}

/** Keys of one call on many that are under way at once. */
const MANY_AT_ONCE = 64;
/** A Date ends at 8.64e15; lifetimes stay well below. */
const TTL_MS_MAX = 10 * 365 * 86_400_000;

/**
 * All methods may be called concurrently and reject with DkvErrors. Any call: `DKV_INVALID_KEY` (not 1 to 1024
 * bytes of UTF-8), `DKV_INVALID_ARGUMENT`, `DKV_NOT_READY` (starting or closing), `DKV_ABORTED`. Reads:
 * `DKV_QUORUM_NOT_REACHED`, `DKV_TIMEOUT`. Writes have three outcomes: the promise resolves (committed);
 * `DKV_QUORUM_NOT_REACHED`, `DKV_NOT_APPLIED`, `DKV_READ_ONLY`, `DKV_OVERLOADED` (nothing was written);
 * `DKV_INDETERMINATE` (it may still take effect). Arguments of a wrong type are a TypeError at once.
 */
export class Dkv<V = unknown> {
  constructor(
    private readonly processor: Processor,
    private readonly view: ClusterView,
    private readonly local: LocalKvRepo,
    private readonly codec: Codec<V>,
    private readonly defaults: DkvClientDefaults,
  ) {}

  /** The value, or undefined where there is none (never written, deleted, expired). */
  async get(key: string, options: DkvReadOptions = {}): Promise<KvPair<V> | undefined> {
    const { readConsistency, readTimeoutMs, namespace } = this.defaults;
    const level = levelOf(READ_LEVELS, options.consistency, readConsistency);
    const timeoutMs = timeoutOf(options.timeoutMs, readTimeoutMs);
    const record = await this.processor.get(namespace, key, { level, timeoutMs, signal: options.signal });
    return record && this.pairOf(record);
  }

  /** @throws DkvError `DKV_KEY_NOT_FOUND` where `get` gives undefined. */
  async getOrThrow(key: string, options: DkvReadOptions = {}): Promise<KvPair<V>> {
    const pair = await this.get(key, options);
    if (!pair) {
      throw new DkvError('DKV_KEY_NOT_FOUND', `There is no value for key ${JSON.stringify(key)}.`);
    }
    return pair;
  }

  /**
   * Stores a value; resolves, once enough nodes hold it durably, with the pair as stored. Its value is the one given,
   * unless a merger of your own made another of it.
   * @throws DkvError `DKV_VALUE_TOO_LARGE`, `DKV_CODEC_FAILED`: before anything is sent.
   */
  async addOrUpdate(key: string, value: V, options: DkvWriteOptions = {}): Promise<KvPair<V>> {
    const bytes = this.encode(key, value);
    const ttlMs = ttlOf(options.ttlMs);
    const { namespace } = this.defaults;
    const record = await this.processor.addOrUpdate(namespace, key, bytes, {
      ...this.writing(options),
      ttlMs,
    });
    // Decoded only when a merger made something else of it: what was given is what was stored.
    return Buffer.compare(record.value, bytes) === 0 ? pairWith(record, value) : this.pairOf(record);
  }

  /** Deletes; resolves with whether there was a value. */
  async remove(key: string, options: DkvRemoveOptions = {}): Promise<boolean> {
    const { existed } = await this.processor.remove(this.defaults.namespace, key, this.writing(options));
    return existed;
  }

  /** One answer per key, in order. @throws DkvManyError when a key fails. */
  getMany(keys: readonly string[], options?: DkvReadOptions): Promise<(KvPair<V> | undefined)[]> {
    return many(keys, options, (key) => this.get(key, options));
  }

  /** Each pair is a write of its own, in no order. @throws DkvManyError telling the outcome of each. */
  addOrUpdateMany(pairs: readonly (readonly [string, V])[], options?: DkvWriteOptions): Promise<KvPair<V>[]> {
    return many(pairs, options, ([key, value]) => this.addOrUpdate(key, value, options));
  }

  /** Each delete is a write of its own. @throws DkvManyError telling the outcome of each. */
  removeMany(keys: readonly string[], options?: DkvRemoveOptions): Promise<boolean[]> {
    return many(keys, options, (key) => this.remove(key, options));
  }

  /** Figures of this node. For Prometheus see `DkvRegistry`. */
  metrics(): DkvMetrics {
    const { ready } = this.processor;
    const partitionsUnderReplicated = this.view.underReplicated();
    return { ready, hintBytes: this.local.hintBytes, partitionsUnderReplicated, ...this.local.metrics() };
  }

  /** The nodes as this one sees them. */
  cluster(): readonly DkvNodeStatus[] {
    const { ring } = this.view;
    const held = new Map(this.view.members.map(({ node }) => [node.nodeId, { holder: 0, replica: 0 }]));
    for (let partition = 0; partition < ring.partitions; partition++) {
      ring.preferenceList(partition).forEach((nodeId, rank) => {
        held.get(nodeId)![rank === 0 ? 'holder' : 'replica']++;
      });
    }
    return this.view.members.map(({ node, state }) => ({
      ...node,
      state,
      partitions: held.get(node.nodeId)!,
    }));
  }

  /** Which nodes hold a key, the holder first. */
  nodesOf(key: string): readonly string[] {
    return this.view.ring.preferenceList(this.view.ring.partitionOf(key));
  }

  private writing({ consistency, timeoutMs, signal }: DkvRemoveOptions) {
    const { writeConsistency, revertTimeoutMs } = this.defaults;
    return {
      level: levelOf(WRITE_LEVELS, consistency, writeConsistency),
      timeoutMs: timeoutOf(timeoutMs, revertTimeoutMs),
      signal,
    };
  }

  private encode(key: string, value: V): Uint8Array {
    const bytes = this.translate(key, 'encoded', () => this.codec.encode(value));
    if (bytes.byteLength > this.defaults.valueBytesMax) {
      throw new DkvError(
        'DKV_VALUE_TOO_LARGE',
        `The value of key ${JSON.stringify(key)} has ${bytes.byteLength} bytes encoded; valueBytesMax is ` +
          `${this.defaults.valueBytesMax}. Split the value, or raise the option on every node.`,
      );
    }
    return bytes;
  }

  private pairOf(record: KvRecord): KvPair<V> {
    return pairWith(
      record,
      this.translate(record.key, 'decoded', () => this.codec.decode(record.value)),
    );
  }

  private translate<T>(key: string, done: string, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw new DkvError(
        'DKV_CODEC_FAILED',
        `The value of key ${JSON.stringify(key)} cannot be ${done} as ${this.codec.name}: ` +
          `${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
  }
}

function pairWith<V>({ key, version }: KvRecord, value: V): KvPair<V> {
  return { key, value, modified: physicalMsOf(version), version };
}

function levelOf<L extends string>(levels: readonly L[], asked: L | undefined, otherwise: L): L {
  if (asked === undefined) {
    return otherwise;
  }
  assertType('consistency', asked, 'string');
  if (!levels.includes(asked)) {
    throw new DkvError(
      'DKV_INVALID_ARGUMENT',
      `consistency is ${JSON.stringify(asked)}: give one of ${levels.join(', ')}.`,
    );
  }
  return asked;
}

function timeoutOf(asked: number | undefined, otherwise: number): number {
  if (asked === undefined) {
    return otherwise;
  }
  assertType('timeoutMs', asked, 'number');
  if (!(asked > 0 && asked <= 86_400_000)) {
    throw new DkvError(
      'DKV_INVALID_ARGUMENT',
      `timeoutMs is ${asked}: give milliseconds above 0, up to a day.`,
    );
  }
  return asked;
}

function ttlOf(asked: number | undefined): number {
  if (asked === undefined) {
    return 0;
  }
  assertType('ttlMs', asked, 'number');
  if (!(Number.isInteger(asked) && asked > 0 && asked <= TTL_MS_MAX)) {
    throw new DkvError(
      'DKV_INVALID_ARGUMENT',
      `ttlMs is ${asked}: give whole milliseconds above 0, up to 10 years.`,
    );
  }
  return asked;
}

function assertType(name: string, value: unknown, type: 'string' | 'number'): void {
  if (typeof value !== type) {
    throw new TypeError(`${name} is a ${type}, got ${value === null ? 'null' : typeof value}.`);
  }
}

async function many<I, T>(
  items: readonly I[],
  options: DkvCallOptions | undefined,
  one: (item: I) => Promise<T>,
): Promise<T[]> {
  if (options?.signal) {
    // Each call under way listens to it; Node would warn of a leak at the eleventh.
    setMaxListeners(0, options.signal);
  }
  const outcomes = new Array<PromiseSettledResult<T>>(items.length);
  const rest = items.entries();
  const worker = async () => {
    for (const [index, item] of rest) {
      [outcomes[index]] = await Promise.allSettled([one(item)]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(MANY_AT_ONCE, items.length) }, worker));
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
  if (failures.length > 0) {
    throw manyError(outcomes, failures);
  }
  return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<T>).value);
}

function manyError<T>(
  outcomes: readonly PromiseSettledResult<T>[],
  failures: readonly PromiseRejectedResult[],
): Error {
  const reasons = failures.map(({ reason }) => reason as unknown);
  const foreign = reasons.find((reason) => !isDkvError(reason));
  if (foreign instanceof Error) {
    return foreign;
  }
  const errors = reasons as DkvError[];
  const gravest = errors.find(({ code }) => code === 'DKV_INDETERMINATE') ?? errors[0]!;
  return new DkvManyError(
    gravest.code,
    `${failures.length} of ${outcomes.length} keys failed; one of them: ${gravest.message}`,
    outcomes,
  );
}
