/** A repository on an engine that stalls and fails as a test says, and short ways to speak of the rounds in it. */
import { expect } from 'vitest';
import { CapturedLog } from './captured-log.js';
import { type RecordId } from '../src/model/key.js';
import { type KvRecord, type RecordHeader, stampRecord, stampTombstone } from '../src/model/record.js';
import { formatVersion, type Version } from '../src/model/version.js';
import { type KeyRound, type LocalKvRepo, type RoundChange } from '../src/ports/local-kv-repo.js';
import { bucketOf, OPEN_ROUNDS_RANGE } from '../src/local-kv/disk-keys.js';
import { EngineLocalKvRepo, type EngineLocalKvRepoOptions } from '../src/local-kv/engine-local-kv-repo.js';
import { HashTree, TreeChanges } from '../src/local-kv/hash-tree.js';
import { MemoryStoreEngine } from '../src/local-kv/memory-store-engine.js';
import { digestOf } from '../src/local-kv/record-digest.js';
import { type StoreOperation } from '../src/local-kv/store-engine.js';

export const IDENTITY = { nodeId: 'n1', partitions: 4, hashFunc: 'md5' };
export const PARTITION = 1;
export const NAMESPACE = 'carts';
/** An accepted value of more is not kept beside the same committed one. */
export const TWICE_BYTES_MAX = 256;
export const UNSETTLED_MAX = 100_000;

export const idOf = (key: string): RecordId => ({ partition: PARTITION, namespace: NAMESPACE, key });
export const ID = idOf('k');

export function ballot(at: number): Version {
  return at === 0 ? '' : formatVersion({ physicalMs: at, counter: 0, nodeId: 'n1', boot: 1 });
}

/** The record that was first proposed under ballot `at`. */
export function recordOf(key: string, at: number, bytes = 10): KvRecord {
  const value = Buffer.alloc(bytes, at);
  return stampRecord({
    namespace: NAMESPACE,
    key,
    version: ballot(at),
    tombstone: false,
    expiresAtMs: 0,
    value,
  });
}

export const tombstoneOf = (key: string, at: number): KvRecord =>
  stampTombstone({ namespace: NAMESPACE, key }, ballot(at));

/** A round in numbers: the versions and ballots at their moments. */
export function numbersOf({ committed, promised, accepted, floor }: KeyRound): object {
  const number = (version: Version = '') => (version === '' ? 0 : Number.parseInt(version.slice(0, 12), 16));
  expect(floor).toBe('');
  return {
    committed: number(committed?.version),
    promised: number(promised),
    accepted: [number(accepted?.ballot), number(accepted?.record.version)],
  };
}

/** Remembers its batches, and stalls and fails as a test says; what is in it outlives the repository. */
export class BenchEngine extends MemoryStoreEngine {
  readonly batches: (readonly StoreOperation[])[] = [];
  batchError: Error | undefined;
  readError: Error | undefined;
  stall: Promise<void> | undefined;

  override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.readError) {
      throw this.readError;
    }
    return super.get(key);
  }

  override async batch(operations: readonly StoreOperation[]): Promise<void> {
    this.batches.push(operations);
    await this.stall;
    if (this.batchError) {
      throw this.batchError;
    }
    await super.batch(operations);
  }

  override async close(): Promise<void> {}
}

export class Bench {
  readonly engine = new BenchEngine();
  repo!: EngineLocalKvRepo;

  static async open(options: Partial<EngineLocalKvRepoOptions> = {}): Promise<Bench> {
    const bench = new Bench();
    await bench.reopen(options);
    return bench;
  }

  async reopen(options: Partial<EngineLocalKvRepoOptions> = {}): Promise<void> {
    await this.repo?.close();
    const home = { where: '/data/n1', open: async () => this.engine, release: () => undefined };
    const defaults = { durability: 'fsync', pendingBytesMax: 1e9, cacheBytesMax: 0 } as const;
    this.repo = new EngineLocalKvRepo(home, { ...defaults, logger: new CapturedLog(), ...options });
    await this.repo.open(IDENTITY);
  }

  change(key: string, change: RoundChange): Promise<void> {
    return this.repo.updateRound(idOf(key), () => change);
  }

  accept(record: KvRecord, under = record.version): Promise<void> {
    return this.change(record.key, { promised: under, accepted: { ballot: under, record } });
  }

  async round(key = 'k'): Promise<object> {
    return numbersOf(await this.repo.getRound(idOf(key)));
  }

  get unsettled(): string[] {
    return [...this.repo.unsettled()].map(({ key }) => key);
  }

  /** What a reader sees of a key, by every way there is. */
  async shown(
    key = 'k',
  ): Promise<{ version: Version | undefined; header: Version | undefined; listed: boolean }> {
    const record = await this.repo.get(idOf(key));
    const header = await this.repo.getNoValue(idOf(key));
    const listed = (await headersOf(this.repo)).some((one) => one.key === key);
    return { version: record?.version, header: header?.version, listed };
  }

  /** Holds batches up until the function it gives is called. */
  holdUp(): () => void {
    let release!: () => void;
    this.engine.stall = new Promise((resolve) => (release = resolve));
    return release;
  }

  async marks(): Promise<number> {
    let count = 0;
    for await (const entry of this.engine.iterate(OPEN_ROUNDS_RANGE)) {
      count += entry.key.byteLength > 0 ? 1 : 0;
    }
    return count;
  }

  async bytesAt(key: Uint8Array): Promise<number> {
    return (await this.engine.get(key))?.byteLength ?? 0;
  }
}

export async function headersOf(repo: LocalKvRepo): Promise<RecordHeader[]> {
  const headers: RecordHeader[] = [];
  for await (const header of repo.getAllNoValue({ partition: PARTITION })) {
    headers.push(header);
  }
  return headers;
}

/** Tree and counters are those of the records that readers see. */
export async function assertInStep(repo: LocalKvRepo, message = ''): Promise<void> {
  const headers = await headersOf(repo);
  const changes = new TreeChanges();
  headers.forEach((header) => changes.toggle(PARTITION, bucketOf(header), digestOf(header)));
  const recomputed = new HashTree();
  recomputed.apply(changes);
  expect(repo.getTree(PARTITION), message).toEqual(recomputed.digests(PARTITION));
  const tombstones = headers.filter(({ tombstone }) => tombstone).length;
  expect(repo.metrics(), message).toMatchObject({ keys: headers.length - tombstones, tombstones });
}

export function plain(record: KvRecord): object {
  return { ...record, value: Buffer.from(record.value).toString('hex') };
}
