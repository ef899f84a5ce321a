/** The store's own words as rules for class-validator: what REST takes for a namespace, a value, a number. */
import { ValidateBy } from 'class-validator';
import { isNamespace } from '../messages/name-rules.js';
import { isBase64 } from './base64.js';

export const IsNamespace = rule('isNamespace', isNamespace, 'must be 1 to 64 bytes of UTF-8 without NUL');
export const IsBase64Bytes = rule('isBase64Bytes', isBase64, 'must be padded base64');
/** Whole, not negative, and exact as a double. */
export const IsCount = rule('isCount', isCount, 'must be a whole number from 0 to 2^53 - 1');
/** For what is shown in logs and tables. */
export const IsPrintable = rule('isPrintable', isPrintable, 'must have no control characters');

function isPrintable(value: unknown): boolean {
  return typeof value === 'string' && !/\p{C}/u.test(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function rule(name: string, accepts: (value: unknown) => boolean, message: string): () => PropertyDecorator {
  return () =>
    ValidateBy({ name, validator: { validate: accepts, defaultMessage: () => `$property ${message}` } });
}
