/** What callers of `/locks` send and get. */
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { ErrorDto } from '../http/errors.dto.js';

const TTL_MS_MAX = 86_400_000;
const TTL_RULE = { message: `ttlMs must be a whole number of milliseconds from 1 to ${TTL_MS_MAX}` };

export class LockBody {
  @ApiProperty({ description: 'How long to hold it, in milliseconds.', example: 10_000 })
  @IsInt(TTL_RULE)
  @Min(1, TTL_RULE)
  @Max(TTL_MS_MAX, TTL_RULE)
  ttlMs!: number;
}

export class RenewBody extends LockBody {
  @ApiProperty({ description: 'As it was given to the holder.' })
  @IsString()
  token!: string;
}

/** In the query or in the body. */
export class TokenHolder {
  @ApiPropertyOptional({ description: 'As it was given to the holder.' })
  @IsOptional()
  @IsString()
  token?: string;
}

export class LockDto {
  @ApiProperty({ description: 'Proves who holds the lock.', example: '5f0c4f1e9b8d4f6c8a7e6d5c4b3a2910' })
  token!: string;

  @ApiProperty({
    description:
      'Higher for each holder than for all before. Hand it to what the lock protects, and let that refuse lower ones: ' +
      'nothing else keeps out a holder that does not know that its time is over.',
    example: 3,
  })
  fencing!: number;

  @ApiProperty({ description: 'Milliseconds since 1970.', example: 1_760_000_010_000 })
  expiresAtMs!: number;
}

export class ReleasedDto {
  @ApiProperty({ example: true })
  released!: boolean;
}

export class LockedDto extends ErrorDto {
  @ApiProperty({
    type: Number,
    nullable: true,
    description: 'When the holder’s time is over; null: nobody holds it.',
  })
  expiresAtMs!: number | null;
}
