/** Counters over HTTP: no count is lost, whichever nodes count at once. */
import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { Dkv, InjectDkv } from 'nestjs-dkv';
import { ApiErrors } from '../http/errors.dto.js';
import { ApiIdempotencyKey, IdempotencyKey } from '../http/idempotency-key.js';
import { KEY } from '../http/key.js';
import { ItemDto, ReadQuery } from '../items/items.dto.js';
import { CountBody, CountDto } from './counters.dto.js';

/** The namespace of the counters. */
export const COUNTERS = 'counters';

@ApiTags('counters')
@Controller('counters')
export class CountersController {
  constructor(@InjectDkv(COUNTERS) private readonly counters: Dkv<number>) {}

  @Post(':key')
  @HttpCode(200)
  @ApiOperation({ summary: 'Count' })
  @ApiParam(KEY)
  @ApiIdempotencyKey()
  @ApiOkResponse({ type: CountDto })
  @ApiErrors(400, 503, 504)
  async count(
    @Param('key') key: string,
    @Body() { by }: CountBody,
    @IdempotencyKey() idempotencyKey?: string,
  ): Promise<CountDto> {
    const { value, repeated } = await this.counters.increment(key, by, { idempotencyKey });
    return { value, repeated };
  }

  @Get(':key')
  @ApiOperation({ summary: 'Read a count' })
  @ApiParam(KEY)
  @ApiOkResponse({ type: ItemDto })
  @ApiErrors(400, 404, 503, 504)
  get(@Param('key') key: string, @Query() { consistency }: ReadQuery): Promise<ItemDto> {
    return this.counters.getOrThrow(key, { consistency });
  }
}
