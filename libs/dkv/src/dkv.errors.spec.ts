/** The one class of errors and its codes. */
import { describe, expect, it } from 'vitest';
import { DKV_ERROR_STATUS, DkvError, type DkvErrorCode, isDkvError, isDkvErrorCode } from './dkv.errors.js';

const CODES = Object.keys(DKV_ERROR_STATUS) as DkvErrorCode[];

describe.each(CODES)('%s', (code) => {
  it('has a name in the style of all and the HTTP status of an error', () => {
    expect(code).toMatch(/^DKV_[A-Z]+(_[A-Z]+)*$/);
    const { status } = new DkvError(code, 'm');
    expect(status).toBe(DKV_ERROR_STATUS[code]);
    expect(Number.isInteger(status) && status >= 400 && status <= 599).toBe(true);
  });

  it('is known as a code', () => {
    expect(isDkvErrorCode(code)).toBe(true);
  });
});

it.each([
  '',
  'DKV_',
  'dkv_timeout',
  'DKV_OF_TOMORROW',
  '__proto__',
  'constructor',
  'toString',
  5,
  null,
  undefined,
  {},
])('is no code: %s', (code) => {
  expect(isDkvErrorCode(code)).toBe(false);
});

describe('an error', () => {
  const cause = new Error('underneath');
  const error = new DkvError('DKV_TIMEOUT', 'Reading took long.', { cause });

  it('is an Error that keeps its cause and says where it came from', () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'DkvError',
      code: 'DKV_TIMEOUT',
      message: 'Reading took long.',
      cause,
    });
    expect(error.stack).toContain('dkv.errors.spec');
  });

  it('travels as code and message, without its cause', () => {
    expect(JSON.parse(JSON.stringify(error))).toEqual({ code: 'DKV_TIMEOUT', message: 'Reading took long.' });
  });

  it.each<[string, unknown, DkvErrorCode[], boolean]>([
    ['any', error, [], true],
    ['its own code', error, ['DKV_TIMEOUT'], true],
    ['one of several codes', error, ['DKV_ABORTED', 'DKV_TIMEOUT'], true],
    ['another code', error, ['DKV_ABORTED'], false],
    ['what looks like one', { code: 'DKV_TIMEOUT', message: 'm', name: 'DkvError' }, [], false],
    ['another error', new TypeError('m'), [], false],
    ['nothing', undefined, [], false],
  ])('is told apart: %s', (_, candidate, codes, expected) => {
    expect(isDkvError(candidate, ...codes)).toBe(expected);
  });
});
