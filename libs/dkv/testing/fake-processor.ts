/** The core as the client sees it: remembers the calls, holds values by key, fails for the keys it is told. */
import { assertKey } from '../src/model/key.js';
import { type WriteResult } from '../src/model/peer-protocol.js';
import { type KvRecord, stampRecord, stampTombstone } from '../src/model/record.js';
import { formatVersion } from '../src/model/version.js';
import { type ReadOptions, type WriteOptions } from '../src/processor/processor.js';
import { microtasks } from './microtasks.js';

/** When everything in it was written, milliseconds since 1970. */
export const MODIFIED_MS = 1_700_000_000_123;
/** The version of everything in it. */
export const VERSION = formatVersion({ physicalMs: MODIFIED_MS, counter: 1, nodeId: 'a', boot: 1 });

const recordOf = (key: string, value: Uint8Array): KvRecord =>
  stampRecord({ namespace: 'default', key, version: VERSION, tombstone: false, expiresAtMs: 0, value });

export class FakeProcessor {
  readonly calls: [string, ...unknown[]][] = [];
  readonly held = new Map<string, Uint8Array>();
  readonly failures = new Map<string, Error>();
  /** What becomes of a value that is written. */
  merge = (value: Uint8Array) => value;
  ready = true;
  underWay = 0;
  underWayMax = 0;

  /** Nothing is known without asking. */
  peek(): undefined {
    return undefined;
  }

  async get(namespace: string, key: string, options: ReadOptions): Promise<KvRecord | undefined> {
    const value = await this.work('get', key, () => this.held.get(key), namespace, options);
    return value && recordOf(key, value);
  }

  async addOrUpdate(
    namespace: string,
    key: string,
    value: Uint8Array,
    options: WriteOptions,
  ): Promise<WriteResult> {
    const stored = await this.work('addOrUpdate', key, () => this.merge(value), namespace, options);
    const existed = this.held.has(key);
    this.held.set(key, stored);
    return { outcome: 'done', record: recordOf(key, stored), existed };
  }

  async remove(namespace: string, key: string, options: Omit<WriteOptions, 'ttlMs'>): Promise<WriteResult> {
    const existed = await this.work('remove', key, () => this.held.delete(key), namespace, options);
    return { outcome: 'done', record: stampTombstone({ namespace, key }, VERSION), existed };
  }

  async touch(namespace: string, key: string, options: WriteOptions): Promise<WriteResult> {
    const value = await this.work('touch', key, () => this.held.get(key), namespace, options);
    return { outcome: 'done', record: value && recordOf(key, value), existed: value !== undefined };
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
