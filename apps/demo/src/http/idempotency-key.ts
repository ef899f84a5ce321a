/** The header `Idempotency-Key`: a request that is tried again takes effect once. */
import { applyDecorators, Headers } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';

export const IdempotencyKey = (): ParameterDecorator => Headers('idempotency-key');

export function ApiIdempotencyKey(): MethodDecorator {
  return applyDecorators(
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description:
        'Names the request, 1 to 256 characters: tried again under the same name, at whichever node, it takes effect ' +
        'once.',
    }),
  );
}
