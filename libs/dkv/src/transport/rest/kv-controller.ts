/** The store for people and scripts: REST on the peer port, values in base64. */
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { DkvError } from '../../dkv.errors.js';
import { assertKey } from '../../model/key.js';
import { NO_VERSION, type Version } from '../../model/version.js';
import { fromBase64, toBase64 } from './base64.js';
import { ABSENT, ReadQuery, RemoveQuery, WriteBody, WriteQuery } from './kv-dto.js';
import { KvService } from './kv-service.js';

export interface KvAnswer {
  readonly key: string;
  /** Base64; absent with `no-value=true`. */
  readonly value?: string;
  /** Milliseconds since 1970. */
  readonly modified: number;
  readonly version: string;
  /** Of a write: an earlier request of the same `idempotencyKey` had taken effect; this one wrote nothing. */
  readonly repeated?: true;
}

export interface RemovalAnswer {
  /** Whether there was a value; where `repeated`, before the request that took effect. */
  readonly removed: boolean;
  readonly repeated?: true;
}

export const VALUE_BYTES_MAX = Symbol('DkvValueBytesMax');

/**
 * Keys in paths are percent-encoded, `/` as `%2F`. The keys `.` and `..` cannot be said in a path by clients that
 * normalise URLs, as browsers and `fetch` do.
 */
@Controller('kv')
export class KvController {
  constructor(
    @Inject(KvService) private readonly kv: KvService,
    @Inject(VALUE_BYTES_MAX) private readonly valueBytesMax: number,
  ) {}

  /** 404 with `DKV_KEY_NOT_FOUND` when there is no value. */
  @Get(':key')
  async get(@Param('key') key: string, @Query() query: ReadQuery): Promise<KvAnswer> {
    assertKey(key);
    const noValue = query['no-value'] === 'true';
    const { namespace, consistency: level } = query;
    const found = await this.kv.get(namespace, key, { noValue, ...(level && { level }) });
    if (!found) {
      throw new DkvError(
        'DKV_KEY_NOT_FOUND',
        `There is no value for the key ${JSON.stringify(key)} in namespace ${namespace}.`,
      );
    }
    const { value, modified, version } = found;
    return { key, ...(!noValue && { value: toBase64(value) }), modified, version };
  }

  /** Answers with the stamp of the write, not with its value; 409 with `DKV_CONFLICT` when `ifVersion` is not there. */
  @Post()
  @HttpCode(200)
  async addOrUpdate(@Query() { namespace }: WriteQuery, @Body() body: WriteBody): Promise<KvAnswer> {
    const { key, ttlMs, consistency: level, ifVersion, idempotencyKey } = body;
    assertKey(key);
    const value = this.assertFits(key, fromBase64(body.value));
    const { modified, version, repeated } = await this.kv.addOrUpdate(namespace, key, value, {
      ...(ttlMs !== undefined && { ttlMs }),
      ...(level && { level }),
      ...expectation(ifVersion),
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    });
    return { key, modified, version, ...(repeated && { repeated }) };
  }

  /** `removed` tells whether there was a value. */
  @Delete(':key')
  async remove(@Param('key') key: string, @Query() query: RemoveQuery): Promise<RemovalAnswer> {
    assertKey(key);
    const { namespace, consistency: level, ifVersion, idempotencyKey } = query;
    const { existed: removed, repeated } = await this.kv.remove(namespace, key, {
      ...(level && { level }),
      ...expectation(ifVersion),
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    });
    return { removed, ...(repeated && { repeated }) };
  }

  private assertFits(key: string, value: Uint8Array): Uint8Array {
    if (value.length > this.valueBytesMax) {
      throw new DkvError(
        'DKV_VALUE_TOO_LARGE',
        `The value of the key ${JSON.stringify(key)} has ${value.length} bytes; valueBytesMax allows ` +
          `${this.valueBytesMax}.`,
      );
    }
    return value;
  }
}

function expectation(ifVersion: string | undefined): { readonly expected?: Version } {
  return ifVersion === undefined ? {} : { expected: ifVersion === ABSENT ? NO_VERSION : ifVersion };
}
