/** How much is in a body is told without building it, and texts in it do not count. */
import { describe, expect, it } from 'vitest';
import { hasFewValues } from './body-structure.js';

describe('values of a body', () => {
  it.each([
    ['the largest that a route takes', JSON.stringify({ a: 1, b: 'x', c: true, d: null }), 4],
    ['texts full of structure', JSON.stringify({ a: '{[,'.repeat(1000), '{[,': '"\\",{[' }), 2],
    ['a text that ends in backslashes', JSON.stringify(['\\', '\\\\', ',"']), 3],
    ['none', '', 0],
  ])('are few: %s', (_, json, max) => {
    expect(hasFewValues(json, max)).toBe(true);
    expect(hasFewValues(json, max - 1)).toBe(json === '');
  });

  it.each([
    ['deep arrays', '['.repeat(65)],
    ['deep objects', '{"a":'.repeat(65)],
    ['many fields', JSON.stringify(Object.fromEntries(Array.from({ length: 65 }, (_, at) => [at, 0])))],
    ['many elements', JSON.stringify(Array.from({ length: 65 }, () => 0))],
  ])('are too many: %s', (_, json) => {
    expect(hasFewValues(json, 64)).toBe(false);
  });
});
