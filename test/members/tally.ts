/** What clients met with in one phase of a run. */
import { type Reply } from '../chaos/http-caller.js';

export class Tally {
  private readonly startedMs = performance.now();
  private endedMs: number | undefined;
  private readonly tookMs: number[] = [];
  /** Failures by code; `refused` and `broken` where there was no answer. */
  readonly failures = new Map<string, number>();

  note(reply: Reply, tookMs: number): void {
    const isAnswer = reply.kind === 'answer' && (reply.status < 300 || reply.body.code === 'DKV_CONFLICT');
    if (isAnswer) {
      this.tookMs.push(tookMs);
      return;
    }
    const code = reply.kind === 'answer' ? (reply.body.code ?? String(reply.status)) : reply.kind;
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }

  end(): void {
    this.endedMs = performance.now();
  }

  get seconds(): number {
    return ((this.endedMs ?? performance.now()) - this.startedMs) / 1000;
  }

  get perSecond(): number {
    return this.tookMs.length / this.seconds;
  }

  get p99Ms(): number {
    const sorted = [...this.tookMs].sort((one, other) => one - other);
    return sorted[Math.floor(sorted.length * 0.99)] ?? NaN;
  }
}
