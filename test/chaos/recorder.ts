/** Records what real clients asked and were told, in one order of all beginnings and ends in this process. */
import {
  type HistoryOperation,
  type HistoryOutcome,
  type HistoryStart,
} from '../../libs/dkv/testing/simulation/history.js';

export interface RecordedCounts {
  operations: number;
  acknowledged: number;
  indeterminate: number;
  notApplied: number;
  mismatched: number;
  unread: number;
}

export class Recorder {
  readonly counts: RecordedCounts = {
    operations: 0,
    acknowledged: 0,
    indeterminate: 0,
    notApplied: 0,
    mismatched: 0,
    unread: 0,
  };
  private recorded: HistoryOperation[] = [];
  private underWay = 0;
  /** A position in the order of events: exact, where a clock could give two events one time. */
  private ordinal = 0;

  /** What is written down now, no later and no earlier, is the beginning. The result ends the operation, once. */
  begin(start: HistoryStart): (outcome: HistoryOutcome, incarnation?: string) => void {
    const invoked = this.ordinal++;
    const invokedAtMs = performance.now();
    this.underWay++;
    let ended = false;
    return (outcome, incarnation = start.incarnation) => {
      if (ended) {
        throw new TypeError(`The ${start.action.kind} of ${start.key} has ended before.`);
      }
      ended = true;
      this.underWay--;
      this.count(outcome);
      const known = outcome.kind !== 'indeterminate';
      this.recorded.push({
        ...start,
        incarnation,
        outcome,
        invoked,
        invokedAtMs,
        returned: known ? this.ordinal++ : Infinity,
        returnedAtMs: known ? performance.now() : Infinity,
      });
    };
  }

  /**
   * All that ended since the last call, in the order of beginnings; the recorder forgets it. Keys must not live on:
   * a checker needs all operations of a key at once.
   * @throws Error while an operation is under way: it would be missing from the history that it belongs to.
   */
  take(): readonly HistoryOperation[] {
    if (this.underWay > 0) {
      throw new Error(`${this.underWay} operations are still under way.`);
    }
    const taken = this.recorded.sort((one, other) => one.invoked - other.invoked);
    this.recorded = [];
    return taken;
  }

  /** A position of its own, for what is no operation of a history but is compared by time. */
  tick(): number {
    return this.ordinal++;
  }

  /** Counts an operation; those that begin here are counted at their end. */
  count({ kind }: HistoryOutcome): void {
    const counts = this.counts;
    counts.operations++;
    switch (kind) {
      case 'ok':
        counts.acknowledged++;
        break;
      case 'mismatch':
        counts.mismatched++;
        break;
      default:
        counts[kind]++;
    }
  }
}
