/** The header `Idempotency-Key`: a request that is tried again takes effect once. */
import { applyDecorators, Headers } from '@nestjs/common';
import { ApiHeader, type ApiPropertyOptions } from '@nestjs/swagger';

const NAME = 'Idempotency-Key';

/** What answers to writes say, where the request was carried out before. */
export const REPEATED = {
  type: Boolean,
  enum: [true],
  description: 'An earlier request of this `Idempotency-Key` had taken effect; this one wrote nothing.',
} satisfies ApiPropertyOptions;

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
