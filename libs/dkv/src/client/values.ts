/** Between the caller's values and the stored bytes: checks, encodes, decodes. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../dkv.errors.js';
import { type ShownRecord } from '../model/shown-record.js';
import { type Codec } from '../ports/codec.js';
import { type Written } from '../processor/call-options.js';
import { rejection } from '../processor/processor.js';
import { parseAs } from '../dkv.validation.js';
import { type KvPair, stampOf } from './kv-pair.js';

export interface ValueRules {
  readonly valueBytesMax: number;
  /** A class of class-validator rules; only synchronous ones count. */
  readonly validate?: new () => object;
}

export class Values<V> {
  constructor(
    private readonly codec: Codec<V>,
    private readonly rules: ValueRules,
  ) {}

  /** @throws DkvError `DKV_INVALID_ARGUMENT` naming the field, `DKV_CODEC_FAILED`, `DKV_VALUE_TOO_LARGE` */
  encode(key: string, value: V): Uint8Array {
    const { validate, valueBytesMax } = this.rules;
    if (validate) {
      // What is stored is what was given: the checked copy is dropped.
      parseAs(validate, value, 'DKV_INVALID_ARGUMENT', `The value of key ${JSON.stringify(key)}`);
    }
    const bytes = this.encoded(key, value);
    if (bytes.length > valueBytesMax) {
      throw new DkvError(
        'DKV_VALUE_TOO_LARGE',
        `The value of key ${JSON.stringify(key)} has ${bytes.length} bytes encoded; valueBytesMax is ` +
          `${valueBytesMax}. Split the value, or raise the option on every node.`,
      );
    }
    return bytes;
  }

  /** @throws DkvError `DKV_CODEC_FAILED` */
  decode(key: string, { value }: ShownRecord): V {
    try {
      return this.codec.decode(value);
    } catch (cause) {
      throw this.failed(key, 'decoded', cause);
    }
  }

  /** A record that was found in memory, or that there is none. */
  found(key: string, record: ShownRecord | null): Promise<KvPair<V> | undefined> {
    try {
      return Promise.resolve(record ? this.pairOf(key, record) : undefined);
    } catch (error) {
      return rejection(error as Error);
    }
  }

  pairOf(key: string, record: ShownRecord): KvPair<V> {
    return {
      key,
      value: this.decode(key, record),
      modified: record.modifiedMs,
      version: record.version,
    };
  }

  /**
   * What a write of `value`, encoded as `bytes`, made. Decoded only where something else is stored: by a merger, or by
   * the call that this one repeats.
   */
  written(key: string, value: V, bytes: Uint8Array, { record, repeated }: Written): KvPair<V> {
    const pair =
      record!.value === bytes || Buffer.compare(record!.value, bytes) === 0
        ? { key, value, ...stampOf(record!) }
        : this.pairOf(key, record!);
    return repeated ? { ...pair, repeated } : pair;
  }

  private encoded(key: string, value: V): Uint8Array {
    try {
      return this.codec.encode(value);
    } catch (cause) {
      throw this.failed(key, 'encoded', cause);
    }
  }

  private failed(key: string, done: string, cause: unknown): DkvError {
    return new DkvError(
      'DKV_CODEC_FAILED',
      `The value of key ${JSON.stringify(key)} cannot be ${done} as ${this.codec.name}: ` +
        `${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
