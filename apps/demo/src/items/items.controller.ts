/** The store over HTTP: one value of any JSON per key. */
import { Body, Controller, Delete, Get, Param, Put, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { Dkv, DkvError, InjectDkv } from 'nestjs-dkv';
import { ApiErrors } from '../http/errors.dto.js';
import { ItemDto, ReadQuery, RemovedDto, StampDto, WriteQuery } from './items.dto.js';

const KEY = {
  name: 'key',
  description: '1 to 1024 bytes of UTF-8, percent-encoded (`/` as `%2F`).',
  example: 'greeting',
};

@ApiTags('items')
@Controller('items')
export class ItemsController {
  constructor(@InjectDkv() private readonly dkv: Dkv) {}

  @Put(':key')
  @ApiOperation({ summary: 'Write a value' })
  @ApiParam(KEY)
  @ApiBody({ description: 'Any JSON, scalars too; at most 1 MiB.', schema: { example: { hello: 'world' } } })
  @ApiOkResponse({ type: StampDto, description: 'As many nodes as asked for hold the value durably.' })
  @ApiErrors(400, 503, 504)
  async put(
    @Param('key') key: string,
    @Query() { consistency }: WriteQuery,
    @Body() value: unknown,
  ): Promise<StampDto> {
    if (value === undefined) {
      throw new DkvError('DKV_INVALID_ARGUMENT', 'There is no body. Send the value as JSON, if only `null`.');
    }
    const { modified, version } = await this.dkv.addOrUpdate(key, value, { consistency });
    return { key, modified, version };
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
  @ApiOkResponse({ type: RemovedDto })
  @ApiErrors(400, 503, 504)
  async remove(@Param('key') key: string, @Query() { consistency }: WriteQuery): Promise<RemovedDto> {
    return { removed: await this.dkv.remove(key, { consistency }) };
  }
}
