/** What a log line may not have in it. */
import { describe, expect, it } from 'vitest';
import { oneLine, stackInLine } from './one-line.js';

describe('one line', () => {
  it.each([
    ['a line break', 'a\r\nb', 'a\\u000d\\u000ab'],
    ['a colour of a terminal', '\u001b[31mred', '\\u001b[31mred'],
    ['a line break of Unicode', 'a\u2028b\u0085c', 'a\\u2028b\\u0085c'],
    ['text turned round', 'a\u202eb\u2066c', 'a\\u202eb\\u2066c'],
    ['NUL and DEL', '\u0000\u007f', '\\u0000\\u007f'],
  ])('has %s by its number', (_, text, line) => {
    expect(oneLine(text)).toBe(line);
  });

  it('leaves all other text as it is', () => {
    const text = 'Grüße, 世界 👩‍🚀 "\\" – \u00a0';
    expect(oneLine(text)).toBe(text);
  });

  it('is a stack, whatever the message has in it', () => {
    const line = stackInLine(new TypeError('first\nsecond'));
    expect(line).toMatch(/^TypeError: first\\u000asecond \| at .+ \| at /);
    expect(line).not.toContain('\n');
    expect(stackInLine('a\nb')).toBe('a\\u000ab');
  });
});
