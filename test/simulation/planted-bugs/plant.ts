/** Takes the place of a protection: how a bug is planted, so that the simulator can be asked to find it. */
import { vi } from 'vitest';

export interface PlantedBug {
  /** The rule that is broken, as guarantees state it. */
  readonly protection: string;
  /** What the checkers may call it. */
  readonly rules: readonly string[];
  /** A run that shows it, where chance does so too seldom; gives the rules that it found broken. */
  directed?(): Promise<readonly string[]>;
  plant(): void;
}

export type Methods = Record<string, (...args: unknown[]) => unknown>;

interface Class {
  readonly prototype: object;
}

/** Takes the place of a method, private ones too: `broken` gets the object, the original and the arguments. */
export function replace<A extends unknown[], R>(
  owner: Class,
  method: string,
  broken: (self: Methods, original: (...args: A) => R, ...args: A) => R,
): void {
  const prototype = owner.prototype as Record<string, (...args: A) => R>;
  const original = prototype[method];
  if (!original) {
    throw new Error(`There is no ${method} to break any more: the planted bug must move with the code.`);
  }
  vi.spyOn(prototype, method).mockImplementation(function (this: unknown, ...args: A) {
    return broken(this as Methods, original.bind(this as never), ...args);
  });
}

/** Takes the place of a getter. */
export function replaceGetter<R>(
  owner: Class,
  name: string,
  broken: (self: Record<string, unknown>, original: () => R) => R,
): void {
  const descriptor = Object.getOwnPropertyDescriptor(owner.prototype, name);
  if (!descriptor?.get) {
    throw new Error(`There is no ${name} to break any more: the planted bug must move with the code.`);
  }
  const prototype = owner.prototype as { accessor: object | string | boolean | undefined };
  vi.spyOn(prototype, name as 'accessor', 'get').mockImplementation(function (this: unknown) {
    return broken(this as Record<string, unknown>, () => descriptor.get!.call(this) as R) as never;
  });
}
