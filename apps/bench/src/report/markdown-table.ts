/** Tables that are aligned for a terminal and valid Markdown. */

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

export function markdownTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, index) =>
    Math.max(3, title.length, ...rows.map((row) => cellOf(row, index).length)),
  );
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const pad = (text: string, index: number) =>
    columns[index]!.align === 'right' ? text.padStart(widths[index]!) : text.padEnd(widths[index]!);
  const rule = columns.map(({ align }, index) =>
    align === 'right' ? `${'-'.repeat(widths[index]! - 1)}:` : '-'.repeat(widths[index]!),
  );
  return [
    line(columns.map(({ title }, index) => pad(title, index))),
    line(rule),
    ...rows.map((row) => line(columns.map((_, index) => pad(cellOf(row, index), index)))),
  ].join('\n');
}

function cellOf(row: readonly string[], index: number): string {
  return (row[index] ?? '').replaceAll('|', '\\|');
}
