/** What happened, folded into one number: two runs of a seed are equal when their digests are. */

export interface TraceOptions {
  /** Keeps the last so many lines for reading; 0 keeps none, and costs nothing. */
  readonly linesMax?: number;
}

/**
 * The trace of one run. Every event goes into a rolling 64-bit hash; when asked for, the last lines are kept
 * as text. Whoever records passes plain values whose text is the same in every run.
 */
export class SimTrace {
  private high = 0x9e3779b9 | 0;
  private low = 0x85ebca6b | 0;
  private readonly lines: string[] = [];
  private readonly linesMax: number;
  private count = 0;

  constructor(options: TraceOptions = {}) {
    this.linesMax = options.linesMax ?? 0;
  }

  /** How many events were recorded. */
  get length(): number {
    return this.count;
  }

  /** The rolling hash as 16 hex digits. */
  get digest(): string {
    return hex(this.high) + hex(this.low);
  }

  record(timeMs: number, kind: string, detail: string): void {
    const line = `${timeMs} ${kind} ${detail}`;
    this.count++;
    this.fold(line);
    if (this.linesMax > 0) {
      this.lines.push(line);
      // Cut in halves: shifting one line at a time would cost the whole length each time.
      if (this.lines.length > 2 * this.linesMax) {
        this.lines.splice(0, this.lines.length - this.linesMax);
      }
    }
  }

  /** The last lines, oldest first; empty unless `linesMax` was set. */
  tail(limit = this.linesMax): readonly string[] {
    return limit === 0 ? [] : this.lines.slice(-Math.min(limit, this.linesMax));
  }

  /** Two multiplicative hashes side by side (constants of MurmurHash3), each character into both. */
  private fold(line: string): void {
    let { high, low } = this;
    for (let index = 0; index < line.length; index++) {
      const unit = line.charCodeAt(index);
      high = Math.imul(high ^ unit, 0xcc9e2d51) ^ (low >>> 15);
      low = Math.imul(low ^ unit, 0x1b873593) ^ (high >>> 13);
    }
    // The end of a line counts too, or two lines could be one.
    this.high = Math.imul(high ^ 0x0a, 0xcc9e2d51) ^ (low >>> 16);
    this.low = Math.imul(low ^ line.length, 0x1b873593) ^ (high >>> 16);
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
