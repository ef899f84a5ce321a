/** What people read: tables as wide as the screen, figures in words, and nothing that a terminal would obey. */
import { describe, expect, it } from 'vitest';
import { counted, durationOf, isoOf, listed, offsetOf, percentOf, sizeOf } from './figures.js';
import { Page } from './page.js';
import { isPrintable, printable } from './printable.js';

const COLUMNS = [{ title: 'NODE' }, { title: 'LEADS', align: 'right' }, { title: 'WHY' }] as const;
const ROWS = [
  ['a', '22', 'it has all that was asked for'],
  ['node-b', '7', '-'],
];

describe('a table', () => {
  it('is as wide as what is in it where nobody looks at a screen', () => {
    expect(String(new Page(undefined).table(COLUMNS, ROWS))).toBe(
      'NODE    LEADS  WHY\n' + //
        'a          22  it has all that was asked for\n' +
        'node-b      7  -\n',
    );
  });

  it('is cut where the screen is narrower, the widest columns first', () => {
    const page = new Page({ columns: 24, hasColour: false }).table(COLUMNS, ROWS);
    expect(String(page)).toBe(
      'NODE    LEADS  WHY\n' + //
        'a          22  it has a…\n' +
        'node-b      7  -\n',
    );
  });

  it('is left to be wrapped where even six characters for each column are too many', () => {
    const page = new Page({ columns: 5, hasColour: false }).table(COLUMNS, ROWS);
    expect(String(page).split('\n')[1]).toBe('a          22  it ha…');
  });

  it('is coloured beside its padding, on a screen that has colours', () => {
    const rows = [
      [{ text: 'down', tone: 'bad' as const }, 'x'],
      ['up', 'y'],
    ];
    const columns = [{ title: 'STATE' }, { title: 'NODE' }];
    expect(String(new Page({ columns: 80, hasColour: true }).table(columns, rows))).toBe(
      'STATE  NODE\n\x1b[31mdown\x1b[39m   x\nup     y\n',
    );
    expect(String(new Page({ columns: 80, hasColour: false }).table(columns, rows))).toBe(
      'STATE  NODE\ndown   x\nup     y\n',
    );
  });

  it('counts characters, not units of UTF-16, and keeps a cell on its line', () => {
    const page = new Page(undefined).table(
      [{ title: 'A' }, { title: 'B' }],
      [
        ['😀😀', 'x\ny'],
        ['ab', 'z'],
      ],
    );
    expect(String(page)).toBe('A   B\n😀😀  x y\nab  z\n');
  });
});

describe('text of others', () => {
  it.each([
    ['a cursor that moves', 'up\x1b[2Jdown', 'up\\u001b[2Jdown'],
    ['a carriage return', 'a\rb', 'a\\u000db'],
    ['the other control characters', 'a\x9bb\x7f', 'a\\u009bb\\u007f'],
    ['a change of direction', 'a\u202eb', 'a\\u202eb'],
    ['letters, signs and lines', 'ä€😀\n\tz', 'ä€😀\n\tz'],
  ])('is shown, not obeyed: %s', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
    expect(isPrintable(text)).toBe(text === shown);
    expect(String(new Page(undefined).line(text))).toBe(`${shown}\n`);
  });
});

describe('figures', () => {
  it.each([
    [-5_000, '0 ms'],
    [999, '999 ms'],
    [12_999, '12 s'],
    [3 * 60_000, '3 m'],
    [25 * 3_600_000, '1 d'],
  ])('%i ms are %s', (ms, text) => {
    expect(durationOf(ms)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_536, '1.5 KiB'],
    [61 * 2 ** 30, '61 GiB'],
    [3 * 2 ** 40, '3 TiB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(sizeOf(bytes)).toBe(text);
  });

  it('tell shares, differences, dates and numbers of things', () => {
    expect([percentOf(1, 3), percentOf(0, 0)]).toEqual(['33.3 %', '0.0 %']);
    expect([offsetOf(3.6), offsetOf(-730), offsetOf(0)]).toEqual(['+4 ms', '-730 ms', '+0 ms']);
    expect([isoOf(1_700_000_000_000), isoOf(9e15)]).toEqual([
      '2023-11-14T22:13:20.000Z',
      '9000000000000000 ms',
    ]);
    expect([counted(1, 'copy', 'copies'), counted(2, 'copy', 'copies')]).toEqual(['1 copy', '2 copies']);
    expect(listed(Array.from({ length: 22 }, (_, n) => n))).toMatch(/^0, 1, .*, 19 and 2 more$/);
  });
});
