/** A repository on storage of its own, opened for one test, and the short ways in which tests use it. */
import assert from 'node:assert/strict';
import { type RecordId } from '../../src/model/key.js';
import { type KvRecord, type RecordHeader, stampRecord, stampTombstone } from '../../src/model/record.js';
import { keysIn, UsageCount } from '../../src/model/usage.js';
import { formatVersion, type Version } from '../../src/model/version.js';
import {
  type HeaderRange,
  type LocalKvRepo,
  type StoreIdentity,
  TREE_BUCKETS,
} from '../../src/ports/local-kv-repo.js';

/** Storage that a repository can be opened on: a folder, a table, a piece of memory. */
export interface LocalKvStorage {
  /** A repository on it, not open. Asked again only after the one before was closed. */
  repo(): LocalKvRepo | Promise<LocalKvRepo>;
  /** Removes what is left. */
  remove(): Promise<void>;
}

/** A kind of repository to be tested. */
export interface LocalKvSubject {
  /** New, empty storage. */
  storage(): Promise<LocalKvStorage>;
  /** Whether what was written is there again after closing and opening. */
  readonly durable: boolean;
}

export type DefineRepoTest = (name: string, body: (under: RepoUnderTest) => Promise<void>) => unknown;

export const PARTITIONS = 16;
export const IDENTITY: StoreIdentity = { nodeId: 'node-a', partitions: PARTITIONS, hashFunc: 'md5' };

export class RepoUnderTest {
  private constructor(
    readonly subject: LocalKvSubject,
    private readonly storage: LocalKvStorage,
    public repo: LocalKvRepo,
  ) {}

  static async with(subject: LocalKvSubject, body: (under: RepoUnderTest) => Promise<void>): Promise<void> {
    const storage = await subject.storage();
    try {
      const repo = await storage.repo();
      await repo.open(IDENTITY);
      const under = new RepoUnderTest(subject, storage, repo);
      try {
        await body(under);
      } finally {
        await under.repo.close();
      }
    } finally {
      await storage.remove();
    }
  }

  async reopen(): Promise<void> {
    await this.repo.close();
    this.repo = await this.storage.repo();
    await this.repo.open(IDENTITY);
  }

  /** Another repository, on storage of its own, for as long as `body` runs. */
  async withAnother<T>(body: (repo: LocalKvRepo) => Promise<T>): Promise<T> {
    let result: T | undefined;
    await RepoUnderTest.with(this.subject, async ({ repo }) => {
      result = await body(repo);
    });
    return result as T;
  }

  /** Stores a record as it is. */
  async put(record: KvRecord, partition = 0): Promise<void> {
    await this.repo.update(idOf(record, partition), () => record);
  }

  async headers(range?: HeaderRange): Promise<RecordHeader[]> {
    const headers: RecordHeader[] = [];
    for await (const header of this.repo.getAllNoValue(range)) {
      headers.push(header);
    }
    return headers;
  }

  /** The keys of a range in the order they came. */
  async keys(range?: HeaderRange): Promise<string[]> {
    return (await this.headers(range)).map(({ key }) => key);
  }

  /** What it counted, after a look at its records: keys and bytes are theirs. */
  async counts(): Promise<{ keys: number; tombstones: number }> {
    const { usage, tombstones } = this.repo.metrics();
    const found = new UsageCount();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for (const { namespace, key, tombstone } of await this.headers({ partition })) {
        if (!tombstone) {
          const { value } = (await this.repo.get({ partition, namespace, key }))!;
          found.add(namespace, 1, Buffer.byteLength(key) + value.length);
        }
      }
    }
    const counted = new Map([...usage].filter(([, { keys, bytes }]) => keys !== 0 || bytes !== 0));
    assert.deepEqual(counted, new Map(found.byNamespace));
    return { keys: keysIn(usage), tombstones };
  }

  /** Every tree is the one that a repository has that was given the same records only, in another order. */
  async assertTreesAreRight(): Promise<void> {
    await this.withAnother(async (fresh) => {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        for (const { namespace, key } of (await this.headers({ partition })).reverse()) {
          const id = { partition, namespace, key };
          const record = await this.repo.get(id);
          await fresh.update(id, () => record);
        }
        assert.deepEqual(
          this.repo.getTree(partition),
          fresh.getTree(partition),
          `tree of partition ${partition}`,
        );
      }
    });
  }

  /** The buckets whose digest is another one in `after`. */
  static changedBuckets(before: readonly string[], after: readonly string[]): number[] {
    return Array.from({ length: TREE_BUCKETS }, (_, bucket) => bucket).filter(
      (bucket) => before[bucket] !== after[bucket],
    );
  }
}

/** The `at`-th version; later ones are newer. */
export function versionAt(at: number): Version {
  return formatVersion({ physicalMs: 1_700_000_000_000 + at, counter: at % 7, nodeId: 'node-a', boot: 1 });
}

export function recordOf(key: string, at = 1, fields: Partial<Omit<KvRecord, 'checksum'>> = {}): KvRecord {
  return stampRecord({
    namespace: 'default',
    key,
    version: versionAt(at),
    tombstone: false,
    expiresAtMs: 0,
    value: Buffer.from(`value of ${key} at ${at}`),
    ...fields,
  });
}

export function tombstoneOf(key: string, at: number): KvRecord {
  return stampTombstone({ namespace: 'default', key }, versionAt(at));
}

export function idOf({ namespace, key }: RecordHeader, partition = 0): RecordId {
  return { partition, namespace, key };
}

/** Equal in every field and byte; what kind of array the value is does not matter. */
export function assertSameRecord(actual: KvRecord | undefined, expected: KvRecord | undefined): void {
  const plain = (record: KvRecord | undefined) =>
    record && { ...record, value: Buffer.from(record.value).toString('hex') };
  assert.deepEqual(plain(actual), plain(expected));
}

/** `work` rejects; the error it rejects with. */
export async function rejectionOf(work: Promise<unknown>): Promise<Error & { code?: string }> {
  const outcome = await work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  assert.ok('error' in outcome, 'It was expected to be rejected, and was not.');
  assert.ok(outcome.error instanceof Error);
  return outcome.error;
}
