/** What clients asked of the store and what they were told: the only thing the checkers believe. */
import { isDkvError, type DkvErrorCode } from '../../src/dkv.errors.js';
import { type ReadLevel, type WriteLevel } from '../../src/model/consistency.js';
import { type Version } from '../../src/model/version.js';
import { type SimScheduler } from './sim-scheduler.js';
import { type SimTrace } from './trace.js';

/** What was asked. Values of writes should be distinct: a value then names its write. */
export type HistoryAction =
  | { readonly kind: 'read'; readonly level?: ReadLevel }
  | { readonly kind: 'write'; readonly value: string; readonly level?: WriteLevel; readonly ttlMs?: number }
  | { readonly kind: 'delete'; readonly level?: WriteLevel }
  /** `expected` is the version that the key must have, null for no value. */
  | { readonly kind: 'compareAndSet'; readonly expected: Version | null; readonly value: string }
  /** Adds to a whole number kept as text; no value counts as 0. */
  | { readonly kind: 'increment'; readonly by: number }
  /** Gives a value another lifetime; nothing where there is none. */
  | { readonly kind: 'touch'; readonly ttlMs: number };

/** What was told. */
export type HistoryOutcome =
  /**
   * Done. `value`: what a read saw (undefined: nothing), what an increment made. `version`: of the record read or
   * written, when told. `existed`: whether a reader saw a value just before, when told. `expiresAtMs`: of that record, when
   * told; 0 is never.
   */
  | {
      readonly kind: 'ok';
      readonly value?: string;
      readonly version?: Version;
      readonly existed?: boolean;
      readonly expiresAtMs?: number;
    }
  /** A compare-and-set found another version; nothing was written. */
  | { readonly kind: 'mismatch' }
  /** A write that took no effect and never will. */
  | { readonly kind: 'notApplied'; readonly code?: DkvErrorCode }
  /** A write that may have taken effect, may yet, or never. */
  | { readonly kind: 'indeterminate'; readonly code?: DkvErrorCode }
  /** A read that failed: it says nothing. */
  | { readonly kind: 'unread'; readonly code?: DkvErrorCode };

export interface HistoryStart {
  /** Who asked: one operation at a time. */
  readonly client: string;
  /** Which run of which node was asked, as {@link Incarnation.name}. */
  readonly incarnation: string;
  readonly key: string;
  readonly action: HistoryAction;
}

/**
 * One operation. Real time is `invoked` and `returned`, positions in the one order of all beginnings and ends:
 * an operation is before another when it returned before the other was invoked. An outcome that is unknown
 * returns at infinity.
 */
export interface HistoryOperation extends HistoryStart {
  readonly invoked: number;
  readonly returned: number;
  /** Virtual milliseconds, for reading and for expiry. */
  readonly invokedAtMs: number;
  readonly returnedAtMs: number;
  readonly outcome: HistoryOutcome;
}

/**
 * Errors of a write that promise that nothing of it can ever be read. Every other error leaves it open, so a
 * checker never blames the store for what it did not promise.
 */
export const NOT_APPLIED_CODES: ReadonlySet<DkvErrorCode> = new Set<DkvErrorCode>([
  'DKV_NOT_APPLIED',
  'DKV_QUORUM_NOT_REACHED',
  'DKV_INVALID_ARGUMENT',
  'DKV_INVALID_KEY',
  'DKV_VALUE_TOO_LARGE',
  'DKV_CODEC_FAILED',
  'DKV_UNSUPPORTED',
  'DKV_OVERLOADED',
  'DKV_NOT_READY',
  'DKV_READ_ONLY',
]);

/** An operation under way. */
export interface OpenOperation {
  /** Called once, when the client knows. An operation that is never ended stays indeterminate. */
  end(outcome: HistoryOutcome): void;
}

/** Records operations as they begin and end; {@link History.operations} may be asked at any time. */
export class History {
  private readonly slots: HistoryOperation[] = [];
  private ordinal = 0;

  constructor(
    private readonly scheduler: SimScheduler,
    private readonly trace: SimTrace,
  ) {}

  /** All so far, in the order of their beginnings. What has not ended is indeterminate, or unread. */
  get operations(): readonly HistoryOperation[] {
    return [...this.slots];
  }

  begin(start: HistoryStart): OpenOperation {
    const slot = this.slots.length;
    const begun: HistoryOperation = {
      ...start,
      invoked: this.ordinal++,
      returned: Infinity,
      invokedAtMs: this.scheduler.nowMs,
      returnedAtMs: Infinity,
      outcome: start.action.kind === 'read' ? { kind: 'unread' } : { kind: 'indeterminate' },
    };
    this.slots.push(begun);
    this.note('invoke', slot, start.action);
    let ended = false;
    return {
      end: (outcome) => {
        if (ended) {
          throw new TypeError(`Operation ${slot} (${describeOperation(begun)}) has ended before.`);
        }
        ended = true;
        this.note('return', slot, outcome);
        const known = outcome.kind !== 'indeterminate';
        this.slots[slot] = {
          ...begun,
          outcome,
          returned: known ? this.ordinal++ : Infinity,
          returnedAtMs: known ? this.scheduler.nowMs : Infinity,
        };
      },
    };
  }

  /**
   * Records `work` from call to answer; a DkvError becomes the outcome it promises. Any other error is recorded
   * as unknown and thrown on. Never resolves when the node dies under way: the operation stays open.
   */
  async record(start: HistoryStart, work: () => Promise<HistoryOutcome>): Promise<HistoryOutcome> {
    const operation = this.begin(start);
    let outcome: HistoryOutcome;
    try {
      outcome = await work();
    } catch (error) {
      if (!isDkvError(error)) {
        throw error;
      }
      outcome = outcomeOfError(error.code, start.action);
    }
    operation.end(outcome);
    return outcome;
  }

  private note(kind: string, slot: number, what: HistoryAction | HistoryOutcome): void {
    const { client, incarnation, key } = this.slots[slot]!;
    const detail = `${slot} ${client} ${incarnation} ${key} ${JSON.stringify(what)}`;
    this.trace.record(this.scheduler.nowMs, kind, detail);
  }
}

/** What an error of the store says about an operation. */
export function outcomeOfError(code: DkvErrorCode, action: HistoryAction): HistoryOutcome {
  if (action.kind === 'read') {
    return { kind: 'unread', code };
  }
  return NOT_APPLIED_CODES.has(code) ? { kind: 'notApplied', code } : { kind: 'indeterminate', code };
}

/** One line for a report. */
export function describeOperation(operation: HistoryOperation): string {
  const { client, incarnation, key, action, outcome, invoked, returned } = operation;
  const { kind: asked, ...arguments_ } = action;
  const { kind: told, ...answer } = outcome;
  const end = returned === Infinity ? '∞' : returned;
  return (
    `[${invoked}, ${end}] ${client} at ${incarnation}: ${asked} ${JSON.stringify(key)} ` +
    `${JSON.stringify(arguments_)} → ${told} ${JSON.stringify(answer)}`
  );
}
