/** Locks over HTTP: taken at one node, renewed and released at any, by their token. */
import { Body, Controller, Delete, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Dkv, DkvError, InjectDkv } from 'nestjs-dkv';
import { ApiErrors } from '../http/errors.dto.js';
import { KEY } from '../http/key.js';
import { LockBody, LockDto, LockedDto, ReleasedDto, RenewBody, TokenHolder } from './locks.dto.js';

/** The namespace whose keys are locked; it has no values. */
export const LOCKS = 'locks';

const CONFLICT = { status: 409, type: LockedDto, description: 'Someone else holds it, or nobody does.' };

@ApiTags('locks')
@Controller('locks')
export class LocksController {
  constructor(@InjectDkv(LOCKS) private readonly locks: Dkv) {}

  @Post(':key')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take a lock' })
  @ApiParam(KEY)
  @ApiOkResponse({ type: LockDto })
  @ApiResponse(CONFLICT)
  @ApiErrors(400, 503, 504)
  async take(@Param('key') key: string, @Body() { ttlMs }: LockBody): Promise<LockDto> {
    // Its holder is the caller, who outlives this process.
    const { token, fencing, expiresAtMs } = await this.locks.lock(key, ttlMs, { keepOnShutdown: true });
    return { token, fencing, expiresAtMs };
  }

  @Put(':key')
  @ApiOperation({ summary: 'Hold a lock for longer, from now on' })
  @ApiParam(KEY)
  @ApiOkResponse({ type: LockDto })
  @ApiResponse(CONFLICT)
  @ApiErrors(400, 503, 504)
  async renew(@Param('key') key: string, @Body() body: RenewBody): Promise<LockDto> {
    const { token, fencing, expiresAtMs } = await this.locks.renewLock(key, body.token, body.ttlMs);
    return { token, fencing, expiresAtMs };
  }

  @Delete(':key')
  @ApiOperation({ summary: 'Give a lock back' })
  @ApiParam(KEY)
  @ApiOkResponse({ type: ReleasedDto })
  @ApiResponse(CONFLICT)
  @ApiErrors(400, 503, 504)
  async release(
    @Param('key') key: string,
    @Query() query: TokenHolder,
    @Body() body: TokenHolder,
  ): Promise<ReleasedDto> {
    const token = query.token ?? body.token;
    if (token === undefined) {
      throw new DkvError('DKV_INVALID_ARGUMENT', 'There is no token. Give it as ?token=.');
    }
    await this.locks.releaseLock(key, token);
    return { released: true };
  }
}
