/** What callers of `/counters` send and get. */
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt } from 'class-validator';
import { REPEATED } from '../http/idempotency-key.js';

export class CountBody {
  @ApiPropertyOptional({ description: 'A whole number, negative to count down.', default: 1 })
  @IsInt()
  by = 1;
}

export class CountDto {
  @ApiProperty({ description: 'The count after this one.', example: 7 })
  value!: number;

  @ApiPropertyOptional(REPEATED)
  repeated?: true;
}
