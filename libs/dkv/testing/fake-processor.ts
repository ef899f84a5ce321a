/** The core as the client sees it: remembers the calls, holds values by key, fails for the keys it is told. */
import { assertKey } from '../src/model/key.js';
import { type ShownRecord } from '../src/model/shown-record.js';
import { formatVersion } from '../src/model/version.js';
import { type ReadOptions, type WriteOptions, type Written } from '../src/processor/call-options.js';
import { NO_STRONG_MODE } from './no-strong-mode.js';
import { microtasks } from './microtasks.js';

/** When everything in it was written, milliseconds since 1970. */
export const MODIFIED_MS = 1_700_000_000_123;
/** The version of everything in it. */
export const VERSION = formatVersion({ physicalMs: MODIFIED_MS, counter: 1, nodeId: 'a', boot: 1 });

const recordOf = (value: Uint8Array): ShownRecord => ({
  version: VERSION,
  value,
  expiresAtMs: 0,
  modifiedMs: MODIFIED_MS,
});
const done = (record: ShownRecord | undefined, existed: boolean): Written => ({
  outcome: 'done',
  record,
  existed,
  repeated: false,
});

export class FakeProcessor {
  readonly calls: [string, ...unknown[]][] = [];
  readonly held = new Map<string, Uint8Array>();
  /** What is in memory by key, null for nothing: read without a call. */
  readonly inMemory = new Map<string, Uint8Array | null>();
  readonly failures = new Map<string, Error>();
  /** What becomes of a value that is written. */
  merge = (value: Uint8Array) => value;
  ready = true;
  groupsLed = 9;
  quorums = { ...NO_STRONG_MODE.quorums, groupsWithoutQuorum: 8 };
  strongFigures = { termChanges: 10, applyLag: 11 };
  underWay = 0;
  underWayMax = 0;

  /** Nothing is known without asking, unless it was put `inMemory`. */
  peek(_namespace: string, key: string): ShownRecord | null | undefined {
    const value = this.inMemory.get(key);
    return value && recordOf(value);
  }

  async get(namespace: string, key: string, options: ReadOptions): Promise<ShownRecord | undefined> {
    const value = await this.work('get', key, () => this.held.get(key), namespace, options);
    return value && recordOf(value);
  }

  async addOrUpdate(
    namespace: string,
    key: string,
    value: Uint8Array,
    options: WriteOptions,
  ): Promise<Written> {
    const stored = await this.work('addOrUpdate', key, () => this.merge(value), namespace, options);
    const existed = this.held.has(key);
    this.held.set(key, stored);
    return done(recordOf(stored), existed);
  }

  async remove(namespace: string, key: string, options: Omit<WriteOptions, 'ttlMs'>): Promise<Written> {
    const existed = await this.work('remove', key, () => this.held.delete(key), namespace, options);
    return done(undefined, existed);
  }

  async touch(namespace: string, key: string, options: WriteOptions): Promise<Written> {
    const value = await this.work('touch', key, () => this.held.get(key), namespace, options);
    return done(value && recordOf(value), value !== undefined);
  }

  private async work<T>(name: string, key: string, result: () => T, ...details: unknown[]): Promise<T> {
    assertKey(key);
    this.calls.push([name, key, ...details]);
    this.underWay++;
    this.underWayMax = Math.max(this.underWayMax, this.underWay);
    await microtasks();
    this.underWay--;
    const failure = this.failures.get(key);
    if (failure) {
      throw failure;
    }
    return result();
  }
}
