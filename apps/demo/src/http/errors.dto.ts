/** Errors as the API documentation shows them. */
import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiResponse } from '@nestjs/swagger';

export class ErrorDto {
  @ApiProperty({
    description: 'Stable; the same text in process and on the wire.',
    example: 'DKV_QUORUM_NOT_REACHED',
  })
  code!: string;

  @ApiProperty({ description: 'Names the key, the node or the limit, and the remedy.' })
  message!: string;
}

const REASONS = {
  400: 'Misuse: a bad key, query or body, or a value that is too large.',
  404: '`DKV_KEY_NOT_FOUND`: never written, or deleted.',
  409: '`DKV_CONFLICT`: the key has not the version expected, or the lock is not to be had. Nothing was written.',
  503: 'Nothing was done: too few nodes, not ready, overloaded or read-only. Try again later.',
  504: 'The outcome was not learned in time; a write (`DKV_INDETERMINATE`) may still take effect.',
} as const;

/** Documents the errors of a route. */
export function ApiErrors(...statuses: (keyof typeof REASONS)[]): MethodDecorator {
  return applyDecorators(
    ...statuses.map((status) => ApiResponse({ status, description: REASONS[status], type: ErrorDto })),
  );
}
