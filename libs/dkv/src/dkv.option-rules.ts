/** Rules for options, in the words of a boot that fails: option, value, remedy. */
import {
  IsInt,
  IsOptional,
  Max,
  Min,
  ValidateBy,
  type ValidationArguments,
  type ValidationOptions,
} from 'class-validator';

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
