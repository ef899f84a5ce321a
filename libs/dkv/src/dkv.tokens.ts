/** Injection tokens of what has no class or port of its own. */
import { type InjectionToken } from '@nestjs/common';
import { Dkv } from './dkv.js';
import { DEFAULT_NAMESPACE } from './dkv.namespace-options.js';

/** The resolved, frozen options: `DkvOptions`. */
export const DKV_OPTIONS = Symbol('DkvOptions');
/** The Prometheus registry that holds every metric of the module. */
export const DkvRegistry = Symbol('DkvRegistry');

/** The token of the client of a namespace, for `moduleRef.get` and for tests that put another in its place. */
export function getDkvToken(namespace: string = DEFAULT_NAMESPACE): InjectionToken<Dkv> {
  return namespace === DEFAULT_NAMESPACE ? Dkv : `DkvNamespace(${namespace})`;
}
