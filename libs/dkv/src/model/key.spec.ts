/** Keys: 1 to 1024 bytes of well-formed UTF-8, counted in bytes and not in characters. */
import { describe, expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { assertKey, idOf } from './key.js';

const EMOJI = '😀';

describe('a key', () => {
  it.each([
    ['one character', 'k'],
    ['any text', 'user:1/ä ö\n\t"\\'],
    ['a NUL', 'a\0b'],
    ['1024 ASCII characters', 'k'.repeat(1024)],
    ['512 characters of 2 bytes', 'ä'.repeat(512)],
    ['341 characters of 3 bytes and one more byte', `${'€'.repeat(341)}k`],
    ['256 characters of 4 bytes', EMOJI.repeat(256)],
  ])('may be %s', (_, key) => {
    expect(() => assertKey(key)).not.toThrow();
  });

  it.each([
    ['empty', '', 'empty'],
    ['1025 ASCII characters', 'k'.repeat(1025), '1025 bytes'],
    ['1025 bytes in 513 characters', `${'ä'.repeat(512)}k`, '1025 bytes'],
    ['1026 bytes in 342 characters', '€'.repeat(342), '1026 bytes'],
    ['1028 bytes in 257 emoji', EMOJI.repeat(257), '1028 bytes'],
    ['half an emoji', EMOJI.slice(0, 1), 'surrogate'],
    ['the other half of one', `k${EMOJI.slice(1)}`, 'surrogate'],
    ['the halves of an emoji turned', EMOJI.slice(1) + EMOJI.slice(0, 1), 'surrogate'],
  ])('is not %s', (_, key, reason) => {
    const error = caught(() => assertKey(key));
    expect(error.code).toBe('DKV_INVALID_KEY');
    expect(error.message).toContain(reason);
  });

  it('that is too long is told with the limit and the remedy, shortened', () => {
    const tell = () => assertKey('k'.repeat(100_000));
    expect(tell).toThrow(/100000 bytes.*limit is 1024.*shorter key/s);
    expect(tell).toThrow(/^.{1,200}$/s);
  });

  it.each([undefined, null, 5, Symbol.iterator, {}, ['k']])('of another type is misuse: %s', (key) => {
    expect(() => assertKey(key as string)).toThrow(TypeError);
  });
});

it('names a key together with its namespace, so that no two pairs share a name', () => {
  const names = [
    idOf({ namespace: 'a', key: 'bc' }),
    idOf({ namespace: 'ab', key: 'c' }),
    idOf({ namespace: 'a', key: '\0bc' }),
  ];
  expect(new Set(names).size).toBe(3);
});
