/** The REST side's view of the Processor: fills in the levels and times that a request leaves out. */
import { DkvError } from '../dkv.errors.js';
import { type ReadLevel, type WriteLevel } from '../model/consistency.js';
import { type KvRecord } from '../model/record.js';
import { physicalMsOf } from '../model/version.js';
import { type Processor } from '../processor/processor.js';
import { type KvReadOptions, type KvService, type KvStamp, type KvWriteOptions } from './kv-service.js';

export interface KvServiceDefaults {
  readonly readConsistency: ReadLevel;
  readonly writeConsistency: WriteLevel;
  readonly readTimeoutMs: number;
  readonly revertTimeoutMs: number;
}

export class ProcessorKvService implements KvService {
  constructor(
    private readonly processor: Processor,
    private readonly defaults: KvServiceDefaults,
  ) {}

  async get(
    namespace: string,
    key: string,
    { level = this.defaults.readConsistency }: KvReadOptions,
  ): Promise<(KvStamp & { readonly value: Uint8Array }) | undefined> {
    assertNamespace(namespace);
    const timeoutMs = this.defaults.readTimeoutMs;
    const record = await this.processor.get(namespace, key, { level, timeoutMs });
    return record && { value: record.value, ...stampOf(record) };
  }

  async addOrUpdate(
    namespace: string,
    key: string,
    value: Uint8Array,
    { level = this.defaults.writeConsistency, ttlMs = 0 }: KvWriteOptions & { readonly ttlMs?: number },
  ): Promise<KvStamp> {
    assertNamespace(namespace);
    const timeoutMs = this.defaults.revertTimeoutMs;
    return stampOf(await this.processor.addOrUpdate(namespace, key, value, { level, ttlMs, timeoutMs }));
  }

  async remove(
    namespace: string,
    key: string,
    { level = this.defaults.writeConsistency }: KvWriteOptions,
  ): Promise<boolean> {
    assertNamespace(namespace);
    const timeoutMs = this.defaults.revertTimeoutMs;
    return (await this.processor.remove(namespace, key, { level, timeoutMs })).existed;
  }
}

function stampOf({ version }: KvRecord): KvStamp {
  return { version, modified: physicalMsOf(version) };
}

function assertNamespace(namespace: string): void {
  if (namespace !== 'default') {
    throw new DkvError('DKV_INVALID_ARGUMENT', `There is no namespace ${JSON.stringify(namespace)}.`);
  }
}
