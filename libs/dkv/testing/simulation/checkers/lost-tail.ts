/** Cuts a history where a group lost the tail of its log: into what clients saw until then, and what goes on. */
import { type HistoryOperation } from '../history.js';

/** A recovery that may lose the end of a group's log: rules 13 and 14. */
export interface LostTail {
  /** The generation that began with it. */
  readonly generation: number;
  /** All that was committed up to here is kept, all that was committed behind it is lost. */
  readonly lastIndex: number;
  /**
   * Where the log that it goes on from ends. What that has behind `lastIndex` nobody had committed: its requests may have been
   * answered by what is lost.
   */
  readonly endIndex: number;
  /** What was not applied by then where it goes on shows the new generation in its version. */
  readonly applied: number;
  readonly beganMs: number;
}

/** Where an operation stands: its entry kept or lost, or of the new generation; else it is not known for sure. */
type Place = 'kept' | 'lost' | 'after' | 'answeredBefore' | 'underWay';

export interface SplitHistory {
  readonly before: readonly HistoryOperation[];
  readonly after: readonly HistoryOperation[];
  /** Reads of the whole order that saw a lost write once the new generation had begun. */
  readonly revived: readonly HistoryOperation[];
}

/** Hex digits of a version that name its generation; the others are the index. */
const GENERATION_DIGITS = 8;

/** Where a version stands in the logs of its group. */
export function placeOf(version: string): { readonly generation: number; readonly index: number } {
  return {
    generation: parseInt(version.slice(0, GENERATION_DIGITS), 16),
    index: parseInt(version.slice(GENERATION_DIGITS), 16),
  };
}

/**
 * Of the operations of one group. The log of a group is cut as a whole, so one index tells what is lost of all its keys, and
 * each of the two histories is an ordinary one that starts empty: the first has all that was acknowledged before, the second
 * what was kept of that and all that came later. An operation that no version places goes by time, since versions rise in
 * real time: one that ended before a kept write began is kept, one that began after a lost write ended is lost. What even
 * that leaves open counts as a write of unknown outcome, or as nothing where it only observed.
 */
export function splitAtLoss(operations: readonly HistoryOperation[], loss: LostTail): SplitHistory {
  const acknowledged = operations.filter(
    ({ action, outcome }) => action.kind !== 'read' && outcome.kind === 'ok',
  );
  const kept = acknowledged.filter((write) => placeOfVersion(write, loss) === 'kept');
  const lost = acknowledged.filter((write) => placeOfVersion(write, loss) === 'lost');
  const keptUntil = Math.max(-Infinity, ...kept.map(({ invoked }) => invoked));
  const lostFrom = Math.min(Infinity, ...lost.map(({ returned }) => returned));
  const before: HistoryOperation[] = [];
  const after: HistoryOperation[] = [];
  const revived: HistoryOperation[] = [];
  const hasOtherEntries = loss.endIndex > loss.lastIndex;
  const places = operations.map((operation) => placeIn(operation, loss, keptUntil, lostFrom));
  // A request that is still under way may take effect again after its entry was lost; its value tells.
  const seenAfter = new Set(
    operations
      .filter((_, at) => places[at] === 'after')
      .map(({ outcome, key }) => `${key} ${valueOf(outcome)}`),
  );
  for (const [at, operation] of operations.entries()) {
    const { action, outcome, invokedAtMs, key } = operation;
    const isRead = action.kind === 'read';
    const hasBegunBefore = invokedAtMs <= loss.beganMs;
    const told = withKnownVersion(operation, loss);
    if (outcome.kind === 'notApplied' || outcome.kind === 'indeterminate') {
      after.push(...(hasOtherEntries && hasBegunBefore ? unknown(operation) : [operation]));
      before.push(...(hasBegunBefore ? [operation] : []));
      continue;
    }
    switch (places[at]!) {
      case 'kept':
        before.push(told);
        after.push(told);
        break;
      case 'lost':
        before.push(operation);
        if (hasOtherEntries || ('value' in action && seenAfter.has(`${key} ${action.value}`))) {
          after.push(...unknown(operation));
        }
        if (isRead && action.level !== 'one' && !hasBegunBefore) {
          revived.push(operation);
        }
        break;
      case 'after':
        after.push(told);
        before.push(...(hasBegunBefore ? unknown(operation) : []));
        break;
      case 'answeredBefore':
        before.push(told);
        after.push(...unknown(operation));
        break;
      case 'underWay':
        before.push(...unknown(operation));
        after.push(...unknown(operation));
        break;
    }
  }
  return { before, after, revived };
}

function placeIn(operation: HistoryOperation, loss: LostTail, keptUntil: number, lostFrom: number): Place {
  const { action, invoked, returned, invokedAtMs, returnedAtMs } = operation;
  const isRead = action.kind === 'read';
  const byVersion = placeOfVersion(operation, loss);
  if (byVersion !== undefined && (byVersion !== 'kept' || !isRead)) {
    return byVersion;
  }
  if (returned < keptUntil) {
    return 'kept';
  }
  // A copy that has not heard of the new generation yet shows, at level one, what there was before.
  const isOfCopy = isRead && action.level === 'one' && byVersion === undefined;
  if (invokedAtMs > loss.beganMs) {
    return isOfCopy ? 'underWay' : 'after';
  }
  if (returnedAtMs > loss.beganMs) {
    return 'underWay';
  }
  return action.kind === 'delete' && invoked > lostFrom ? 'lost' : 'answeredBefore';
}

/** Of a read it tells where its value was written; undefined where no version was told. */
function placeOfVersion(
  { outcome }: HistoryOperation,
  { generation, lastIndex }: LostTail,
): 'kept' | 'lost' | 'after' | undefined {
  const version = outcome.kind === 'ok' ? outcome.version : undefined;
  if (version === undefined) {
    return undefined;
  }
  const place = placeOf(version);
  return place.index <= lastIndex ? 'kept' : place.generation < generation ? 'lost' : 'after';
}

/** An entry that was kept and not applied by then has one version in each of the two generations. */
function withKnownVersion(operation: HistoryOperation, loss: LostTail): HistoryOperation {
  const { outcome, action, invokedAtMs } = operation;
  if (outcome.kind !== 'ok' || outcome.version === undefined) {
    return operation;
  }
  const { generation, index } = placeOf(outcome.version);
  const isOfBoth = index > loss.applied || generation >= loss.generation;
  // A copy that has not heard of the new generation yet shows, at level one, the version of before.
  const isOfNew = action.kind === 'read' && (action.level !== 'one' || generation >= loss.generation);
  if (index > loss.lastIndex || !isOfBoth || (isOfNew && invokedAtMs > loss.beganMs)) {
    return operation;
  }
  if (action.kind === 'touch') {
    return unknown(operation)[0]!;
  }
  return { ...operation, outcome: { ...outcome, version: undefined } };
}

/** A write that may have taken effect; of what only observed, nothing. */
function unknown(operation: HistoryOperation): HistoryOperation[] {
  const { action, outcome } = operation;
  return action.kind === 'read' || outcome.kind === 'mismatch'
    ? []
    : [{ ...operation, returned: Infinity, returnedAtMs: Infinity, outcome: { kind: 'indeterminate' } }];
}

function valueOf(outcome: HistoryOperation['outcome']): string | undefined {
  return outcome.kind === 'ok' ? outcome.value : undefined;
}
