/** `@InjectDkv()`: the store, in a service's constructor. */
import { Inject } from '@nestjs/common';
import { getDkvToken } from './dkv.tokens.js';

/** Injects the {@link Dkv} of a namespace that `DkvModule.forFeature` declares, of the default one without a name. */
export function InjectDkv(namespace?: string): PropertyDecorator & ParameterDecorator {
  return Inject(getDkvToken(namespace));
}
