/** What callers of `/items` send and get. */
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { READ_LEVELS, type ReadLevel, WRITE_LEVELS, type WriteLevel } from 'nestjs-dkv';

export class ReadQuery {
  @ApiPropertyOptional({
    enum: READ_LEVELS,
    description: '`one` (default): this node’s copy or the nearest; `quorum`: sees every acknowledged write.',
  })
  @IsOptional()
  @IsIn(READ_LEVELS)
  consistency?: ReadLevel;
}

export class WriteQuery {
  @ApiPropertyOptional({
    enum: WRITE_LEVELS,
    description:
      'How many of the key’s nodes must hold the write before it is acknowledged; default `quorum`.',
  })
  @IsOptional()
  @IsIn(WRITE_LEVELS)
  consistency?: WriteLevel;
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

export class ItemDto extends StampDto {
  @ApiProperty({ description: 'Any JSON.', type: Object, example: { hello: 'world' } })
  value!: unknown;
}

export class RemovedDto {
  @ApiProperty({ description: 'Whether there was a value.' })
  removed!: boolean;
}
