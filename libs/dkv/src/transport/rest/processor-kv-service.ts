/** The REST side's view of the Processor: fills in the levels and times that a request leaves out. */
import { conflictOf } from '../../client/conflict-error.js';
import { stampOf } from '../../client/kv-pair.js';
import { type ReadLevel, type WriteLevel } from '../../model/consistency.js';
import { type Written } from '../../processor/call-options.js';
import { type Processor } from '../../processor/processor.js';
import {
  type KvReadOptions,
  type KvRemoved,
  type KvRepetition,
  type KvService,
  type KvStamp,
  type KvWriteOptions,
  type KvWritten,
} from './kv-service.js';

export interface KvServiceDefaults {
  readonly readConsistency: ReadLevel;
  readonly writeConsistency: WriteLevel;
  readonly readTimeoutMs: number;
  readonly revertTimeoutMs: number;
  readonly ttlMs: number;
}

export class ProcessorKvService implements KvService {
  constructor(
    private readonly processor: Processor,
    /** @throws DkvError `DKV_UNKNOWN_NAMESPACE` */
    private readonly defaultsOf: (namespace: string) => KvServiceDefaults,
  ) {}

  async get(
    namespace: string,
    key: string,
    options: KvReadOptions,
  ): Promise<(KvStamp & { readonly value: Uint8Array }) | undefined> {
    const { readConsistency, readTimeoutMs: timeoutMs } = this.defaultsOf(namespace);
    const { level = readConsistency } = options;
    const record = await this.processor.get(namespace, key, { level, timeoutMs });
    return record && { value: record.value, ...stampOf(record) };
  }

  async addOrUpdate(
    namespace: string,
    key: string,
    value: Uint8Array,
    options: KvWriteOptions & { readonly ttlMs?: number },
  ): Promise<KvWritten> {
    const defaults = this.defaultsOf(namespace);
    const { level = defaults.writeConsistency, ttlMs = defaults.ttlMs, expected, idempotencyKey } = options;
    const timeoutMs = defaults.revertTimeoutMs;
    const writing = { level, ttlMs, timeoutMs, expected, idempotencyKey };
    const result = await this.processor.addOrUpdate(namespace, key, value, writing);
    assertMatched(key, expected, result);
    return { ...stampOf(result.record!), ...repetitionOf(result) };
  }

  async remove(namespace: string, key: string, options: KvWriteOptions): Promise<KvRemoved> {
    const defaults = this.defaultsOf(namespace);
    const { level = defaults.writeConsistency, expected, idempotencyKey } = options;
    const timeoutMs = defaults.revertTimeoutMs;
    const writing = { level, timeoutMs, expected, idempotencyKey };
    const result = await this.processor.remove(namespace, key, writing);
    assertMatched(key, expected, result);
    return { existed: result.existed, ...repetitionOf(result) };
  }
}

function assertMatched(key: string, expected: string | undefined, { outcome, record }: Written): void {
  if (outcome === 'conflict') {
    const current = record && { key, value: record.value, ...stampOf(record) };
    throw conflictOf(key, expected ?? '', current);
  }
}

function repetitionOf({ repeated }: Written): KvRepetition {
  return repeated ? { repeated } : {};
}
