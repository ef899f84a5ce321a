/** The store over HTTP: one value of any JSON per key. */
import { Body, Controller, Delete, Get, Param, Put, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Dkv, DkvError, InjectDkv, type KvPair } from 'nestjs-dkv';
import { ApiErrors } from '../http/errors.dto.js';
import { ApiIdempotencyKey, IdempotencyKey } from '../http/idempotency-key.js';
import { KEY } from '../http/key.js';
import {
  ConflictDto,
  ItemDto,
  ReadQuery,
  RemovedDto,
  RemoveQuery,
  WriteQuery,
  WrittenDto,
} from './items.dto.js';

/** What `ifVersion` says where no value is expected. */
const ABSENT = 'absent';

@ApiTags('items')
@Controller('items')
export class ItemsController {
  constructor(@InjectDkv() private readonly dkv: Dkv) {}

  @Put(':key')
  @ApiOperation({ summary: 'Write a value' })
  @ApiParam(KEY)
  @ApiIdempotencyKey()
  @ApiBody({ description: 'Any JSON, scalars too; at most 1 MiB.', schema: { example: { hello: 'world' } } })
  @ApiOkResponse({ type: WrittenDto, description: 'As many nodes as asked for hold the value durably.' })
  @ApiResponse({ status: 409, type: ConflictDto, description: 'The key has not the version expected.' })
  @ApiErrors(400, 503, 504)
  async put(
    @Param('key') key: string,
    @Query() query: WriteQuery,
    @Body() value: unknown,
    @IdempotencyKey() idempotencyKey?: string,
  ): Promise<WrittenDto> {
    if (value === undefined) {
      throw new DkvError('DKV_INVALID_ARGUMENT', 'There is no body. Send the value as JSON, if only `null`.');
    }
    const { modified, version, repeated } = await this.write(key, value, query, idempotencyKey);
    return { key, modified, version, repeated };
  }

  @Get(':key')
  @ApiOperation({ summary: 'Read a value' })
  @ApiParam(KEY)
  @ApiOkResponse({ type: ItemDto })
  @ApiErrors(400, 404, 503, 504)
  get(@Param('key') key: string, @Query() { consistency }: ReadQuery): Promise<ItemDto> {
    return this.dkv.getOrThrow(key, { consistency });
  }

  @Delete(':key')
  @ApiOperation({ summary: 'Delete a value' })
  @ApiParam(KEY)
  @ApiIdempotencyKey()
  @ApiOkResponse({ type: RemovedDto })
  @ApiErrors(400, 503, 504)
  async remove(
    @Param('key') key: string,
    @Query() { consistency }: RemoveQuery,
    @IdempotencyKey() idempotencyKey?: string,
  ): Promise<RemovedDto> {
    return { removed: await this.dkv.remove(key, { consistency, idempotencyKey }) };
  }

  private write(
    key: string,
    value: unknown,
    { consistency, ifVersion, ttlMs }: WriteQuery,
    idempotencyKey: string | undefined,
  ): Promise<KvPair> {
    if (ifVersion === undefined) {
      return this.dkv.addOrUpdate(key, value, { consistency, ttlMs, idempotencyKey });
    }
    if (consistency !== undefined) {
      throw new DkvError('DKV_INVALID_ARGUMENT', 'Give consistency or ifVersion, not both.');
    }
    const expected = ifVersion === ABSENT ? null : ifVersion;
    return this.dkv.compareAndSet(key, expected, value, { ttlMs, idempotencyKey });
  }
}
