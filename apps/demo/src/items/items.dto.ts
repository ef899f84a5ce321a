/** What callers of `/items` send and get. */
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString } from 'class-validator';
import { ErrorDto } from '../http/errors.dto.js';
import { READ_LEVELS, type ReadLevel, WRITE_LEVELS, type WriteLevel } from 'nestjs-dkv';

export class ReadQuery {
  @ApiPropertyOptional({
    enum: READ_LEVELS,
    description:
      '`one` (default): this node’s copy or the nearest; `quorum` and `linearizable`: sees every acknowledged write.',
  })
  @IsOptional()
  @IsIn(READ_LEVELS)
  consistency?: ReadLevel;
}

export class RemoveQuery {
  @ApiPropertyOptional({
    enum: WRITE_LEVELS,
    description:
      'How many of the key’s nodes must hold the write before it is acknowledged; default `quorum`. ' +
      'Of DKV_MODE=eventual: a strong write is always a majority’s.',
  })
  @IsOptional()
  @IsIn(WRITE_LEVELS)
  consistency?: WriteLevel;
}

export class WriteQuery extends RemoveQuery {
  @ApiPropertyOptional({
    description: 'Write only if the key has this version; `absent`: if it has no value. Else 409.',
    example: 'absent',
  })
  @IsOptional()
  @IsString()
  ifVersion?: string;

  @ApiPropertyOptional({ description: 'Lifetime in milliseconds; 0 (default): for ever.', example: 60_000 })
  @IsOptional()
  // Only plain digits become a number: a message shows what was given.
  @Transform(({ value }) => (/^\d{1,15}$/.test(String(value)) ? Number(value) : (value as unknown)))
  @IsInt()
  ttlMs?: number;
}

export class StampDto {
  @ApiProperty({ example: 'greeting' })
  key!: string;

  @ApiProperty({
    description: 'When this version was written, milliseconds since 1970.',
    example: 1_760_000_000_000,
  })
  modified!: number;

  @ApiProperty({
    description: 'Text whose order is the order of versions.',
    example: '0199c82cc800-0000-node1!00000001',
  })
  version!: string;
}

export class WrittenDto extends StampDto {
  @ApiPropertyOptional({
    type: Boolean,
    enum: [true],
    description: 'An earlier request of this `Idempotency-Key` had taken effect; this one wrote nothing.',
  })
  repeated?: true;
}

export class ItemDto extends StampDto {
  @ApiProperty({ description: 'Any JSON.', type: Object, example: { hello: 'world' } })
  value!: unknown;
}

export class RemovedDto {
  @ApiProperty({ description: 'Whether there was a value.' })
  removed!: boolean;
}

class VersionDto {
  @ApiProperty({ example: '0199c82cc800-0000-node1!00000001' })
  version!: string;

  @ApiProperty({ example: 1_760_000_000_000 })
  modified!: number;
}

export class ConflictDto extends ErrorDto {
  @ApiProperty({ type: VersionDto, nullable: true, description: 'What the key has; null: no value.' })
  current!: VersionDto | null;
}
