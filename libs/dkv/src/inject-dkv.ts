/** `@InjectDkv()`: the store, in a service's constructor. */
import { Inject } from '@nestjs/common';
import { Dkv } from './dkv.js';

/** Injects the {@link Dkv} of the module's default namespace. */
export function InjectDkv(): PropertyDecorator & ParameterDecorator {
  return Inject(Dkv);
}
