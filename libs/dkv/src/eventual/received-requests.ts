/** The answers to requests that were forwarded here, for as long as the same message may come once more. */
import { OldestFirst } from '../model/oldest-first.js';
import { type WriteResult } from '../model/peer-protocol.js';
import { type Clock } from '../ports/clock.js';

/** However many come at once. */
const ENTRIES_MAX = 4_096;
/** Values in the answers; the oldest go first. A request whose answer went is known by the record that it made. */
const BYTES_MAX = 16 * 1024 * 1024;

interface Received {
  readonly answer: Promise<WriteResult>;
  readonly forgetAtMs: number;
  bytes: number;
}

export class ReceivedRequests {
  private readonly entries = new OldestFirst<Received>();
  private bytes = 0;

  constructor(private readonly clock: Clock) {}

  get size(): number {
    return this.entries.size;
  }

  /** The answer of the first request of that name, which `carryOut` gives if this is it. */
  once(name: string, rememberMs: number, carryOut: () => Promise<WriteResult>): Promise<WriteResult> {
    const now = this.clock.monotonic();
    this.forget(now);
    const known = this.entries.get(name);
    if (known) {
      return known.answer;
    }
    const answer = carryOut();
    const entry: Received = { answer, forgetAtMs: now + rememberMs, bytes: 0 };
    this.entries.add(name, entry);
    answer.then(
      ({ record }) => {
        if (this.entries.get(name) === entry) {
          entry.bytes = record?.value.length ?? 0;
          this.bytes += entry.bytes;
        }
      },
      () => undefined,
    );
    return answer;
  }

  private forget(now: number): void {
    for (let { oldest } = this.entries; oldest; { oldest } = this.entries) {
      const { forgetAtMs, bytes } = oldest.value;
      const excess = this.entries.size >= ENTRIES_MAX || this.bytes > BYTES_MAX;
      if (!excess && forgetAtMs > now) {
        return;
      }
      this.entries.take(oldest.key);
      this.bytes -= bytes;
    }
  }
}
