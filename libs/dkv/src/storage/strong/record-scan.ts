/** Pages of a group's records and its expired ones: the engine's, with what memory has that is newer. */
import { type StoreEngine, type StoreRange } from '../engines/store-engine.js';
import { isDkvError, type DkvError } from '../../dkv.errors.js';
import {
  type KeyedRecord,
  type PageMark,
  type RecordPage,
  type StrongRecord,
} from '../../ports/strong-store.js';
import { type GroupTable } from './group-table.js';
import { type RecordTable } from './record-table.js';
import {
  compareMarks,
  decodeRecord,
  expiryRange,
  markInExpiryKey,
  markInRecordKey,
  recordsRange,
} from './strong-keys.js';

/** What a record of a page takes beside key and value, about. */
const RECORD_BYTES = 64;

export interface ScanSource {
  readonly engine: StoreEngine;
  readonly table: RecordTable;
  readonly read: (group: number, namespace: string, key: string) => Promise<StrongRecord | undefined>;
  /** Counts and tells of a damaged record; gives the error to throw. */
  readonly damage: (group: number, namespace: string, key: string, cause?: unknown) => DkvError;
}

/** A record in the page before it is known whether memory has a newer one. */
interface Candidate extends PageMark {
  /** As it was in memory when the page was begun: null for a removal. Undefined where the engine alone had it. */
  readonly dirty: StrongRecord | null | undefined;
  readonly stored: { readonly key: Uint8Array; readonly value: Uint8Array } | undefined;
}

/**
 * A page is what was dirty when it was begun, merged with what the engine has from then on: a record that a checkpoint
 * writes in between is in both. What was dirty then hides the engine's, so that a removal whose checkpoint ended
 * meanwhile does not bring the record back; what memory has now goes before both.
 */
export async function scanRecords(
  source: ScanSource,
  group: GroupTable,
  after: PageMark | undefined,
  bytesMax: number,
): Promise<RecordPage> {
  const records: KeyedRecord[] = [];
  let bytes = 0;
  for (let mark = after; !group.isClearing;) {
    const { candidates, isLast } = await nextCandidates(source, group, mark, bytesMax);
    for (const candidate of candidates) {
      if (bytes >= bytesMax && records.length > 0) {
        return { records, done: false };
      }
      const record = recordOf(source, group, candidate);
      if (record) {
        const { namespace, key } = candidate;
        records.push({ namespace, key, record });
        bytes += RECORD_BYTES + key.length + record.value.length;
      }
      mark = candidate;
    }
    if (isLast) {
      return { records, done: true };
    }
    if (records.length > 0) {
      return { records, done: false };
    }
  }
  return { records: [], done: true };
}

/** All candidates behind `after` up to some key, in order; at least one unless they are the last. */
async function nextCandidates(
  { engine, table }: ScanSource,
  group: GroupTable,
  after: PageMark | undefined,
  bytesMax: number,
): Promise<{ candidates: Candidate[]; isLast: boolean }> {
  const dirty: Candidate[] = [];
  for (const position of dirtyPositions(table, group)) {
    const mark = table.markAt(position);
    if (!after || compareMarks(mark, after) > 0) {
      dirty.push({ ...mark, dirty: table.slabs.recordAt(position) ?? null, stored: undefined });
    }
  }
  const stored: Candidate[] = [];
  let bytes = 0;
  let isLast = true;
  // Begun in this same turn, so that nothing that is not dirty now is missed.
  for await (const { key, value } of engine.iterate(recordsRange(group.number, after))) {
    stored.push({ ...markInRecordKey(key), dirty: undefined, stored: { key, value } });
    bytes += RECORD_BYTES + value.length;
    if (bytes >= bytesMax) {
      isLast = false;
      break;
    }
  }
  const end = stored.at(-1);
  const inPage = isLast || !end ? dirty : dirty.filter((candidate) => compareMarks(candidate, end) <= 0);
  inPage.sort(compareMarks);
  return { candidates: merged(inPage, stored), isLast };
}

/** Both in order; of one key the dirty one. */
function merged(dirty: readonly Candidate[], stored: readonly Candidate[]): Candidate[] {
  const all: Candidate[] = [];
  let at = 0;
  for (const candidate of dirty) {
    while (at < stored.length && compareMarks(stored[at]!, candidate) < 0) {
      all.push(stored[at++]!);
    }
    if (at < stored.length && compareMarks(stored[at]!, candidate) === 0) {
      at++;
    }
    all.push(candidate);
  }
  return all.concat(stored.slice(at));
}

function recordOf(
  { table, damage }: ScanSource,
  group: GroupTable,
  { namespace, key, dirty, stored }: Candidate,
): StrongRecord | undefined {
  const position = table.find(namespace, key);
  if (position !== 0 && table.slabs.groupAt(position) === group.number) {
    return table.slabs.recordAt(position);
  }
  if (dirty !== undefined) {
    return dirty ?? undefined;
  }
  const record = decodeRecord(stored!.key, stored!.value);
  if (!record) {
    throw damage(group.number, namespace, key);
  }
  return record;
}

/**
 * Candidates come from the dirty records and from the index in the engine, and each is then read as it is: the index
 * trails by a checkpoint, and so do removals of what it names.
 */
export async function expiredRecords(
  { engine, table, read }: ScanSource,
  group: GroupTable,
  nowMs: number,
  limit: number,
): Promise<readonly KeyedRecord[]> {
  const isPast = (expiresAtMs: number) => expiresAtMs > 0 && expiresAtMs <= nowMs;
  const found = new Map<string, KeyedRecord>();
  const check = async ({ namespace, key }: PageMark) => {
    try {
      const record = await read(group.number, namespace, key);
      if (record && isPast(record.expiresAtMs)) {
        found.set(`${namespace}\0${key}`, { namespace, key, record });
      }
    } catch (error) {
      // It was told of, and is gone when it has been mended.
      if (!isDkvError(error, 'DKV_CORRUPT_RECORD')) {
        throw error;
      }
    }
  };
  const dirty = [...dirtyPositions(table, group)]
    .filter((position) => isPast(table.slabs.expiryAt(position)))
    .sort((a, b) => table.slabs.expiryAt(a) - table.slabs.expiryAt(b))
    .slice(0, limit)
    .map((position) => table.markAt(position));
  let waiting: PageMark[] = [];
  for await (const entry of engine.iterate(expiryRange(group.number, nowMs))) {
    const mark = markInExpiryKey(entry.key);
    // Of a dirty one the index knows nothing.
    const position = table.find(mark.namespace, mark.key);
    if (position === 0 || !table.slabs.isDirtyAt(position)) {
      waiting.push(mark);
    }
    if (waiting.length === limit) {
      await Promise.all(waiting.map(check));
      waiting = [];
      if (found.size >= limit) {
        break;
      }
    }
  }
  await Promise.all(waiting.map(check));
  await Promise.all(dirty.map(check));
  return [...found.values()]
    .sort((a, b) => a.record.expiresAtMs - b.record.expiresAtMs || compareMarks(a, b))
    .slice(0, limit);
}

/** Each dirty key of the group once, also those that a checkpoint is writing. */
function* dirtyPositions(table: RecordTable, { dirty, taken, settled }: GroupTable): Generator<number> {
  yield* dirty;
  for (let at = settled; at < taken.length; at++) {
    const position = taken[at]!;
    if (table.slabs.isNamedAt(position) && table.slabs.isDirtyAt(position)) {
      yield position;
    }
  }
}

/** Whether the engine has anything there. */
export async function isAny(engine: StoreEngine, range: StoreRange): Promise<boolean> {
  for await (const _ of engine.iterate(range)) {
    return true;
  }
  return false;
}
