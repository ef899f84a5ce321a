/** Turns JSON from a caller into a checked object of a DTO class, or an error that names the field. */
import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { DkvError, type DkvErrorCode } from './dkv.errors.js';

/**
 * `plain` as a `Dto`; fields that the class does not know are left out, so that a newer caller may send more.
 * @throws DkvError `code`, naming `what` and the first field that breaks a rule.
 */
export function parseAs<T extends object>(
  Dto: new () => T,
  plain: unknown,
  code: DkvErrorCode,
  what: string,
): T {
  // class-transformer would map an array to an array of DTOs, which no rule of the class then sees.
  if (!isObject(plain)) {
    throw new DkvError(code, `${what} is not a JSON object.`);
  }
  const dto = plainToInstance(Dto, plain);
  const [error] = validateSync(dto, {
    whitelist: true,
    stopAtFirstError: true,
    validationError: { target: false, value: false },
  });
  if (error !== undefined) {
    throw new DkvError(code, `${what}: ${describe(error)}.`);
  }
  return dto;
}

/** A JSON object: neither null nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The innermost broken rule with the path to its field. */
export function describe(error: ValidationError, path = ''): string {
  const [child] = error.children ?? [];
  if (child !== undefined) {
    return describe(child, `${path}${error.property}.`);
  }
  const [message] = Object.values(error.constraints ?? {});
  return `${path}${message ?? `${error.property} is not valid`}`;
}
