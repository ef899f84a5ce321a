/** What a command shows people: lines and tables, cut and coloured for a screen, plain for a pipe. */
import { type Screen } from '../terminal.js';
import { printable } from './printable.js';

export type Tone = 'good' | 'warning' | 'bad';

export interface TonedText {
  readonly text: string;
  readonly tone: Tone;
}

export type Cell = string | TonedText;

export interface Column {
  readonly title: string;
  /** Default: left. */
  readonly align?: 'left' | 'right';
}

const COLOURS: Record<Tone, number> = { good: 32, warning: 33, bad: 31 };
const DEFAULT_COLOUR = 39;
const GAP = '  ';
/** A column is not cut to less: a screen that is still too narrow wraps the rows. */
const COLUMN_CHARACTERS_MIN = 6;

/** Everything on it is printable, whoever wrote it. Characters are counted as code points, each one column wide. */
export class Page {
  private readonly lines: string[] = [];

  constructor(private readonly screen: Screen | undefined) {}

  line(text = '', tone?: Tone): this {
    this.lines.push(this.painted(printable(text), tone));
    return this;
  }

  /** Each column as wide as the widest in it; on a screen the widest ones are cut until the rows fit. */
  table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): this {
    const cells = [columns.map(({ title }) => title), ...rows].map((row) => row.map(contentOf));
    const widths = columns.map((_, at) => Math.max(...cells.map((row) => [...row[at]!.text].length)));
    const available = (this.screen?.columns ?? Infinity) - GAP.length * (columns.length - 1);
    const fitted = narrowed(widths, available);
    for (const row of cells) {
      const line = row.map(({ text, tone }, at) => {
        const cut = cutTo(text, fitted[at]!);
        const padding = ' '.repeat(fitted[at]! - [...cut].length);
        const painted = this.painted(cut, tone);
        return columns[at]!.align === 'right' ? padding + painted : painted + padding;
      });
      this.lines.push(line.join(GAP).trimEnd());
    }
    return this;
  }

  toString(): string {
    return `${this.lines.join('\n')}\n`;
  }

  private painted(text: string, tone: Tone | undefined): string {
    return tone && this.screen?.hasColour ? `\x1b[${COLOURS[tone]}m${text}\x1b[${DEFAULT_COLOUR}m` : text;
  }
}

function contentOf(cell: Cell): { readonly text: string; readonly tone?: Tone } {
  const { text, tone } = typeof cell === 'string' ? { text: cell, tone: undefined } : cell;
  return { text: printable(text).replace(/\s+/g, ' '), tone };
}

function narrowed(widths: readonly number[], available: number): readonly number[] {
  const fitted = [...widths];
  for (let excess = fitted.reduce((sum, width) => sum + width, 0) - available; excess > 0; excess--) {
    const widest = Math.max(...fitted);
    if (widest <= COLUMN_CHARACTERS_MIN) {
      break;
    }
    fitted[fitted.indexOf(widest)]! -= 1;
  }
  return fitted;
}

function cutTo(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}
