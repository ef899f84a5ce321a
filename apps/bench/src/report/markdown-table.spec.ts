import { describe, expect, it } from 'vitest';
import { markdownTable } from './markdown-table.js';

describe('a table', () => {
  it('is aligned, and valid Markdown', () => {
    const table = markdownTable(
      [{ title: 'store' }, { title: 'ops/s', align: 'right' }],
      [
        ['ours', '1,234'],
        ['redis-autopipelining', '9'],
      ],
    );
    expect(table).toBe(
      [
        '| store                | ops/s |',
        '| -------------------- | ----: |',
        '| ours                 | 1,234 |',
        '| redis-autopipelining |     9 |',
      ].join('\n'),
    );
  });

  it('keeps the bars of a cell, and rows that are short', () => {
    expect(markdownTable([{ title: 'a' }, { title: 'b' }], [['x|y']])).toBe(
      ['| a    | b   |', '| ---- | --- |', '| x\\|y |     |'].join('\n'),
    );
  });
});
