/** Whether an eventual namespace kept its word: nothing acknowledged lost, nothing back, nothing made up. */
import { type ReadLevel, type WriteLevel } from '../../../src/model/consistency.js';
import { type HistoryOperation } from '../history.js';
import { EventualFacts, type ConvergedRecord, type EventualOptions } from './eventual-facts.js';
import { byKey, type Finding, type FindingRule } from './finding.js';

/**
 * Checks what reads returned while the store was in use. Rules: "phantom"; "restamp"; "own-writes" (a read sees
 * the writes that the same incarnation acknowledged before it began); "quorum-read" (a read sees every write that
 * ended before it began and whose level meets its own: quorum with quorum or all, one with all); "resurrection"
 * (what such a read misses is a delete).
 *
 * A write that no version is known of is held to nothing unless `realTime` is set, so record the versions of
 * deletes too.
 */
export function checkEventualReads(
  operations: readonly HistoryOperation[],
  options: EventualOptions = {},
): readonly Finding[] {
  return [...byKey(operations)].flatMap(([key, all]) => {
    const facts = new EventualFacts(key, all, options);
    return [...facts.restamps, ...facts.reads.flatMap((read) => checkRead(facts, read))];
  });
}

/**
 * Checks the records that all replicas agreed on when everything was healed and quiet, against what was
 * acknowledged. Rules: "lost-write" (the record is older than an acknowledged write, or gone without a delete
 * that explains it), "resurrection" (the same for a delete), "phantom", "restamp". A key without an entry in
 * `converged` has no record anywhere.
 */
export function checkConverged(
  operations: readonly HistoryOperation[],
  converged: ReadonlyMap<string, ConvergedRecord>,
  options: EventualOptions = {},
): readonly Finding[] {
  const keys = byKey(operations);
  for (const key of converged.keys()) {
    if (!keys.has(key)) {
      keys.set(key, []);
    }
  }
  return [...keys].flatMap(([key, all]) => {
    const facts = new EventualFacts(key, all, options);
    const record = converged.get(key);
    // What the history itself contradicts is the business of checkEventualReads.
    facts.restamps.length = 0;
    return record === undefined ? checkGone(facts) : checkRecord(facts, record);
  });
}

/** Whether a read at one level promises to see a write acknowledged at the other: their nodes overlap. */
export function levelsOverlap(read: ReadLevel | undefined, write: WriteLevel | undefined): boolean {
  return write === 'all' || (read === 'quorum' && write === 'quorum');
}

function checkRead(facts: EventualFacts, read: HistoryOperation): Finding[] {
  const { key } = facts;
  const value = read.outcome.kind === 'ok' ? read.outcome.value : undefined;
  if (value !== undefined) {
    const message = facts.phantom(value, read.returned);
    if (message !== undefined) {
      const writer = facts.writerOf(value);
      const operations = writer === undefined ? [read] : [writer, read];
      return [{ rule: 'phantom', key, message: `a read saw what it cannot: ${message}`, operations }];
    }
  }
  const missed = facts.acknowledged.filter(
    (change) => change.returned < read.invoked && !accounts(facts, read, value, change),
  );
  const own = missed.find((change) => change.incarnation === read.incarnation);
  const promised = missed.find((change) => levelsOverlap(readLevelOf(read), writeLevelOf(change)));
  return [
    ...missing('own-writes', facts, own, value, [read]),
    ...missing('quorum-read', facts, promised, value, [read]),
  ];
}

function accounts(
  facts: EventualFacts,
  read: HistoryOperation,
  value: string | undefined,
  change: HistoryOperation,
): boolean {
  return value === undefined
    ? change.action.kind === 'delete' || facts.isHidden(change, read.returned, read.returnedAtMs)
    : facts.isAsNew(value, change);
}

function checkRecord(facts: EventualFacts, { value, version }: ConvergedRecord): Finding[] {
  const { key } = facts;
  const phantom =
    value === undefined
      ? facts.mayHaveDeleted(version)
        ? undefined
        : `no delete can have left the tombstone ${version}`
      : facts.phantom(value, Infinity);
  if (phantom !== undefined) {
    const writer = value === undefined ? undefined : facts.writerOf(value);
    const message = `the replicas converged to what they cannot: ${phantom}`;
    return [{ rule: 'phantom', key, message, operations: writer === undefined ? [] : [writer] }];
  }
  facts.learn(value, version, []);
  const lost = facts.acknowledged.filter((change) => {
    const own = facts.versionOf(change);
    return (
      (own !== undefined && own > version) ||
      (value === undefined
        ? change.action.kind === 'write' && !facts.isHidden(change, Infinity, Infinity)
        : !facts.isAsNew(value, change))
    );
  });
  return [...facts.restamps, ...missing('lost-write', facts, newest(facts, lost), value, [])];
}

/** No record anywhere: fine when nothing was written, or when a delete hid it and its tombstone was collected. */
function checkGone(facts: EventualFacts): Finding[] {
  const lost = facts.acknowledged.filter(
    (change) => change.action.kind === 'write' && !facts.isHidden(change, Infinity, Infinity),
  );
  return missing('lost-write', facts, newest(facts, lost), undefined, []);
}

function missing(
  rule: FindingRule,
  facts: EventualFacts,
  change: HistoryOperation | undefined,
  value: string | undefined,
  readers: readonly HistoryOperation[],
): Finding[] {
  if (change === undefined) {
    return [];
  }
  const isBack = change.action.kind === 'delete' && value !== undefined;
  const saw = value === undefined ? 'nothing' : JSON.stringify(value);
  const who = readers.length > 0 ? 'a read saw' : 'the replicas converged to';
  const writer = value === undefined ? undefined : facts.writerOf(value);
  return [
    {
      rule: isBack ? 'resurrection' : rule,
      key: facts.key,
      message: `${who} ${saw}, which does not account for an acknowledged ${change.action.kind}`,
      operations: [...(writer === undefined ? [] : [writer]), change, ...readers],
    },
  ];
}

/** The one that tells most: of the highest version. */
function newest(facts: EventualFacts, changes: readonly HistoryOperation[]): HistoryOperation | undefined {
  return changes.reduce<HistoryOperation | undefined>(
    (best, change) =>
      best === undefined || (facts.versionOf(change) ?? '') > (facts.versionOf(best) ?? '') ? change : best,
    undefined,
  );
}

function readLevelOf({ action }: HistoryOperation): ReadLevel | undefined {
  return action.kind === 'read' ? action.level : undefined;
}

function writeLevelOf({ action }: HistoryOperation): WriteLevel | undefined {
  return action.kind === 'write' || action.kind === 'delete' ? action.level : undefined;
}
