/** Rules for options, in the words of a boot that fails: option, value, remedy. */
import { plainToInstance } from 'class-transformer';
import {
  getMetadataStorage,
  IsInt,
  IsOptional,
  Max,
  Min,
  ValidateBy,
  type ValidationArguments,
  type ValidationOptions,
  validateSync,
} from 'class-validator';
import { type HashFunc } from './ports/hash-func.js';

/**
 * What is wrong with each option by itself, and which are none: an option is a property of `Options` with a rule.
 * `kind` is what they are called.
 */
export function faultsOf<T extends object>(Options: new () => T, given: T, kind = 'an option'): string[] {
  const rules = getMetadataStorage().getTargetValidationMetadatas(Options, '', false, false);
  const known = new Set(rules.map(({ propertyName }) => propertyName));
  const unknown = Object.keys(given).filter((name) => !known.has(name));
  // Validated on a shallow instance: ports are live objects and must not be copied.
  const instance = Object.assign(plainToInstance(Options, {}), given);
  const wrong = validateSync(instance, { forbidUnknownValues: true });
  return [
    ...unknown.map((name) => `${name} is not ${kind}: check its spelling`),
    ...wrong.flatMap(({ constraints }) => [...new Set(Object.values(constraints ?? {}))]),
  ];
}

/** Says option, value and remedy. */
export function says(remedy: string): ValidationOptions {
  return {
    message: ({ property, value }: ValidationArguments) => `${property} is ${shown(value)}: ${remedy}`,
  };
}

export function shown(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value);
  }
  if (typeof value === 'function') {
    return 'a function';
  }
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

export function Whole(min: number, max: number, unit: string): PropertyDecorator {
  const rule = says(`give a whole number of ${unit} from ${min} to ${max}`);
  return (target, property) => {
    for (const decorate of [IsInt(rule), Min(min, rule), Max(max, rule), IsOptional()]) {
      decorate(target, property);
    }
  };
}

const SECRET_PATTERN = /^[\x21-\x7e]{8,256}$/;
export const SECRET_RULE = 'give 8 to 256 printable ASCII characters without spaces';

/** Its value is never shown. */
export function Secret(): PropertyDecorator {
  return Hides('secret', isSecret, SECRET_RULE);
}

function isSecret(value: unknown): value is string {
  return typeof value === 'string' && SECRET_PATTERN.test(value);
}

/** One secret, or two different ones. */
export function isApiKey(value: unknown): boolean {
  return (
    isSecret(value) ||
    (Array.isArray(value) && value.length === 2 && value.every(isSecret) && value[0] !== value[1])
  );
}

export function Offers(port: string, ...methods: string[]): PropertyDecorator {
  const offersAll = (value: unknown) =>
    methods.every((method) => typeof (value as Record<string, unknown> | null)?.[method] === 'function');
  return Accepts('offers', offersAll, `give a ${port}: an object with ${methods.join(', ')}`);
}

/** Optional; what is given must be accepted. */
export function Accepts(
  name: string,
  accepts: (value: unknown) => boolean,
  remedy: string,
): PropertyDecorator {
  const rule = ValidateBy({ name, validator: { validate: accepts } }, says(remedy));
  return (target, property) => {
    IsOptional()(target, property);
    rule(target, property);
  };
}

/** As {@link Accepts}, of a value that is never shown. */
export function Hides(name: string, accepts: (value: unknown) => boolean, remedy: string): PropertyDecorator {
  const rule = ValidateBy(
    { name, validator: { validate: accepts } },
    {
      message: ({ property }: ValidationArguments) => `${property}: ${remedy} (the value is not shown here)`,
    },
  );
  return (target, property) => {
    IsOptional()(target, property);
    rule(target, property);
  };
}

export function isHashFunc(value: unknown): value is HashFunc {
  const { name, hash } = (typeof value === 'object' && value ? value : {}) as Partial<HashFunc>;
  return typeof hash === 'function' && typeof name === 'string' && name.length >= 1 && name.length <= 32;
}
