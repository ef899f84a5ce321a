/** What a node finds of a group when it starts, and what of it counts: a newer generation makes void what is older. */
import { type Configuration, type LogEntry } from '../model/raft-messages.js';
import { type HardState, type NodeLog } from '../ports/node-log.js';
import { type GroupState } from '../ports/strong-store.js';
import { decodeConfiguration } from '../raft/configuration-layout.js';
import { type AppliedState, decodeAppliedState } from './group-state-layout.js';

/** What was found of a group when the node started. */
export interface StoredGroup {
  readonly state: GroupState | undefined;
  readonly hardState: HardState | undefined;
  readonly entries: readonly LogEntry[];
  /** Where the log begins behind a snapshot; 0 for no such place. */
  readonly resetAt: number;
  /** The highest that a record of the log has; 0 where there is none. */
  readonly generation: number;
}

/** What of it counts. */
export interface StoredPosition {
  readonly generation: number;
  /** Records and log are of a generation that is over: void until a snapshot has taken their place. */
  readonly isVoid: boolean;
  /** Undefined where nothing was applied, or where it is void. */
  readonly state: AppliedState | undefined;
  readonly applied: number;
  readonly appliedTerm: number;
  readonly hardState: HardState | undefined;
  /** What the log has behind the store, in order. */
  readonly tail: readonly LogEntry[];
  /** The place that the log begins behind, and what follows: `tail`, and before it what members lack that are behind this one. */
  readonly log: {
    readonly index: number;
    readonly term: number;
    readonly entries: readonly LogEntry[];
  };
  /** The log does not lead up to the store: it must begin anew behind it before anything is added. */
  readonly isAnew: boolean;
}

/** @throws DkvError `DKV_PROTOCOL` for a state that this version does not read */
export function positionOf(stored: StoredGroup): StoredPosition {
  const state = stored.state && decodeAppliedState(stored.state.bytes);
  const generation = Math.max(state?.generation ?? 1, stored.generation);
  const hardState = stored.hardState?.generation === generation ? stored.hardState : undefined;
  const shown = stored.state?.applied ?? 0;
  // Where the log says that it begins right behind the store, it took the store over as it was: so a recovery writes it. A
  // store that shows no entry has no records that could be void.
  const isVoid =
    state !== undefined && state.generation < generation && shown > 0 && stored.resetAt !== shown;
  const applied = isVoid ? 0 : shown;
  const appliedTerm = isVoid ? 0 : (state?.term ?? 0);
  const entries = stored.generation === generation ? stored.entries : [];
  const isAnew = !leadsUp(entries, applied, appliedTerm);
  const [place = { index: applied, term: appliedTerm }, ...kept] = isAnew
    ? []
    : keptOf(entries, applied, appliedTerm);
  const tail = tailOf(entries, applied, appliedTerm);
  return {
    generation,
    isVoid,
    state: isVoid ? undefined : state,
    applied,
    appliedTerm,
    hardState,
    tail,
    log: { index: place.index, term: place.term, entries: [...kept, ...tail] },
    isAnew,
  };
}

/** Whether there is more of it than what a member must not forget: a log, or records. */
export function hasCopy({ state, entries }: StoredGroup): boolean {
  return entries.length > 0 || (state !== undefined && decodeAppliedState(state.bytes).wholeFrom < Infinity);
}

/** The newest that the log has, or the one that was applied; undefined where neither has one. */
export function newestConfigurationOf({ state, tail }: StoredPosition): Configuration | undefined {
  const newest = tail.findLast(({ kind }) => kind === 'configuration');
  return newest ? decodeConfiguration(newest.data) : state?.configuration;
}

/**
 * What the log has of a group behind a lost segment: nothing leads up to it from the store, so it is no part of the group's
 * log any more. Empty where there is no such gap.
 */
export function strayOf(stored: StoredGroup): readonly LogEntry[] {
  const { applied, tail } = positionOf(stored);
  const [first] = tail;
  return first && first.index > applied + 1 ? tail : [];
}

/** The same without what {@link strayOf} finds. */
export function withoutStray(stored: StoredGroup): StoredGroup {
  return strayOf(stored).length === 0
    ? stored
    : { ...stored, entries: [], resetAt: positionOf(stored).applied };
}

/** What shows that store and log do not meet, for people: entries between them are lost. Undefined where all do. */
export function gapIn(groups: ReadonlyMap<number, StoredGroup>): string | undefined {
  for (const [number, stored] of groups) {
    const [first] = strayOf(stored);
    if (first) {
      const { applied } = positionOf(stored);
      return `the store shows partition ${number} up to entry ${applied}, and the log begins with entry ${first.index}`;
    }
  }
  return undefined;
}

/**
 * Of a node that forgot (rule 12), once it is another voter: the log of each group begins anew right behind the store
 * where entries between the two are lost. Durable when it resolves.
 */
export async function closeGaps(
  groups: ReadonlyMap<number, StoredGroup>,
  log: NodeLog,
): Promise<ReadonlyMap<number, StoredGroup>> {
  const closed = new Map<number, StoredGroup>();
  let gaps = 0;
  for (const [number, stored] of groups) {
    const mended = withoutStray(stored);
    closed.set(number, mended);
    if (mended !== stored) {
      const { generation, applied, appliedTerm } = positionOf(mended);
      log.addReset(number, generation, applied, appliedTerm);
      gaps++;
    }
  }
  if (gaps > 0) {
    await new Promise<void>((resolve, reject) => log.flush((error) => (error ? reject(error) : resolve())));
  }
  return closed;
}

/**
 * What the log has behind the store. A snapshot is in the store before the log begins anew behind it: after a crash
 * between the two, what the log holds there is the tail of another history.
 */
function tailOf(entries: readonly LogEntry[], applied: number, appliedTerm: number): readonly LogEntry[] {
  const isOther = entries.some(({ index, term }) => index === applied && term !== appliedTerm);
  return isOther ? [] : entries.filter(({ index, term }) => index > applied && term >= appliedTerm);
}

/**
 * Those that end where the store does, without a gap, and behind the last change of configuration: what counted before that
 * is not known. The first is a place alone. Empty where the log has none.
 */
function keptOf(entries: readonly LogEntry[], applied: number, appliedTerm: number): readonly LogEntry[] {
  const last = entries.findIndex(({ index, term }) => index === applied && term === appliedTerm);
  let first = last;
  while (
    first > 0 &&
    entries[first]!.kind !== 'configuration' &&
    isNext(entries[first - 1]!, entries[first]!)
  ) {
    first--;
  }
  return last < 0 ? [] : entries.slice(first, last + 1);
}

function isNext(one: LogEntry, other: LogEntry): boolean {
  return other.index === one.index + 1;
}

/** A process may have ended after a snapshot was in the store and before the log began anew behind it. */
function leadsUp(entries: readonly LogEntry[], applied: number, appliedTerm: number): boolean {
  const [first] = entries;
  return (
    first === undefined ||
    first.index > applied ||
    entries.some(({ index, term }) => index === applied && term === appliedTerm)
  );
}
