/** The store's own words as rules for class-validator: what a key, a namespace, a version may look like. */
import { ValidateBy } from 'class-validator';
import { assertKey, NAMESPACE_BYTES_MAX } from '../model/key.js';
import { isRequestId } from '../model/request-id.js';
import { isVersion, NODE_ID_PATTERN } from '../model/version.js';
import { isBase64 } from './base64.js';

const DIGEST_PATTERN = /^[0-9a-f]{16}$/;
const ROOT_PATTERN = /^[0-9a-f]{1,64}$/;
const CHECKSUM_MAX = 0xffff_ffff;

export function isKey(value: unknown): value is string {
  try {
    assertKey(value as string);
    return true;
  } catch {
    return false;
  }
}

/** 1 to 64 bytes of UTF-8 without NUL, which separates the namespace from the key in storage. */
export function isNamespace(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    Buffer.byteLength(value) <= NAMESPACE_BYTES_MAX &&
    !value.includes('\0') &&
    value.isWellFormed()
  );
}

export const IsKey = rule('isKey', isKey, 'must be 1 to 1024 bytes of UTF-8');
export const IsNamespace = rule('isNamespace', isNamespace, 'must be 1 to 64 bytes of UTF-8 without NUL');
export const IsVersion = rule('isVersion', isVersion, 'must be a version');
/** A version, or none. */
export const IsVersionOrNone = rule('isVersionOrNone', orEmpty(isVersion), 'must be a version or empty');
export const IsRequestId = rule('isRequestId', isRequestId, 'must be a request id: 24 hex digits');
export const IsBase64Bytes = rule('isBase64Bytes', isBase64, 'must be padded base64');
export const IsNodeId = rule('isNodeId', matches(NODE_ID_PATTERN), 'must be a node id');
export const IsDigest = rule('isDigest', matches(DIGEST_PATTERN), 'must be 16 hex digits');
export const IsRoot = rule('isRoot', matches(ROOT_PATTERN), 'must be 1 to 64 hex digits');
/** Whole, not negative, and exact as a double. */
export const IsCount = rule('isCount', isCount, 'must be a whole number from 0 to 2^53 - 1');
export const IsChecksum = rule(
  'isChecksum',
  (value) => isCount(value) && (value as number) <= CHECKSUM_MAX,
  'must be an unsigned 32-bit number',
);

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function orEmpty(accepts: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => value === '' || accepts(value);
}

function matches(pattern: RegExp): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && pattern.test(value);
}

function rule(
  name: string,
  accepts: (value: unknown) => boolean,
  message: string,
): (options?: { each: boolean }) => PropertyDecorator {
  return (options) =>
    ValidateBy(
      { name, validator: { validate: accepts, defaultMessage: () => `$property ${message}` } },
      options,
    );
}
