/** The header `Idempotency-Key`: a request that is tried again takes effect once. */
import { applyDecorators, Headers } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';

const NAME = 'Idempotency-Key';

export const IdempotencyKey = (): ParameterDecorator => Headers(NAME);

export function ApiIdempotencyKey(): MethodDecorator {
  return applyDecorators(
    ApiHeader({
      name: NAME,
      required: false,
      description:
        'Names the request, 1 to 256 characters: tried again under the same name, at whichever node, it takes effect ' +
        'once.',
    }),
  );
}
