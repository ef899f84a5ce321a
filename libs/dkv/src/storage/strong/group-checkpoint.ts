/** Writes one group's changes as one batch of the engine: its records, their expiries, and its state. */
import { type StoreEngine, type StoreOperation } from '../engines/store-engine.js';
import { type NodeLog } from '../../ports/node-log.js';
import { type GroupState } from '../../ports/strong-store.js';
import { logDurable } from './durable-log.js';
import { ABSENT, type GroupTable, type RecordTable, type TakenEntries, UNKNOWN } from './record-table.js';
import { isEngineDamage } from '../storage-error.js';
import { decodeRecord, encodeState, RecordEncoder, stateKey } from './strong-keys.js';

/** A record costs 2 to 4 µs here, so this is about 1 ms. */
const RECORDS_PER_TURN = 256;
/** As many as one call of the engine reads. */
const READS_AT_ONCE = 128;
/** Of blind writes, where nothing but the count of records hangs on what was there before. */
const SAMPLE = 16;

export interface CheckpointSite {
  readonly engine: StoreEngine;
  readonly log: NodeLog;
  readonly table: RecordTable;
  /** Resolves in another turn of the event loop. */
  readonly nextTurn: () => Promise<void>;
}

/**
 * Dirty entries and state are taken in the turn of the call; encoding goes on in others, and sees what was taken. On an
 * error the entries are dirty as before. With `sync` the batch is durable when
 * it resolves. Never call it twice at a time for a group.
 * @throws DkvError the log's, or the engine's own error
 */
export async function checkpointGroup(
  site: CheckpointSite,
  group: GroupTable,
  state: GroupState,
  sync: boolean,
): Promise<void> {
  const { engine, log, table, nextTurn } = site;
  const taken = table.take(group);
  try {
    const durable = logDurable(log);
    // Awaited after what can go on beside it, and may fail before that.
    durable.catch(() => undefined);
    const records = await storedBefore(site, group, taken);
    const operations: StoreOperation[] = [];
    const encoder = new RecordEncoder();
    for (let at = 0; at < taken.entries.length; at += RECORDS_PER_TURN) {
      if (at > 0) {
        await nextTurn();
      }
      const end = Math.min(at + RECORDS_PER_TURN, taken.entries.length);
      for (let next = at; next < end; next++) {
        addOperations(operations, encoder, group, taken, next);
      }
    }
    const stored = { applied: state.applied, records, bytes: state.bytes };
    operations.push({ type: 'put', key: stateKey(group.number), value: encodeState(group.number, stored) });
    await durable;
    await engine.batch(operations, { sync });
    group.records = records;
  } catch (error) {
    table.giveBack(group, taken);
    throw error;
  }
  for (let at = 0; at < taken.entries.length; at += RECORDS_PER_TURN) {
    if (at > 0) {
      await nextTurn();
    }
    table.settle(taken, at, Math.min(at + RECORDS_PER_TURN, taken.entries.length));
  }
  group.taken = undefined;
}

function addOperations(
  operations: StoreOperation[],
  encoder: RecordEncoder,
  group: GroupTable,
  { entries, records }: TakenEntries,
  at: number,
): void {
  const { names, key, stored } = entries[at]!;
  const record = records[at];
  const expiresAtMs = record?.expiresAtMs ?? 0;
  if (stored > 0 && stored !== expiresAtMs) {
    operations.push({ type: 'del', key: encoder.expiryKey(group.number, stored, names.bytes, key) });
  }
  if (!record) {
    if (stored !== ABSENT) {
      operations.push({ type: 'del', key: encoder.recordKey(group.number, names.bytes, key) });
    }
    return;
  }
  const encoded = encoder.record(group.number, names.bytes, key, record);
  operations.push({ type: 'put', key: encoded.key, value: encoded.value });
  if (expiresAtMs > 0 && stored !== expiresAtMs) {
    group.hasExpiries = true;
    operations.push({
      type: 'put',
      key: encoder.expiryKey(group.number, expiresAtMs, names.bytes, key),
      value: NO_BYTES,
    });
  }
}

const NO_BYTES = Buffer.alloc(0);

/**
 * Learns what the engine has of entries that were written blindly, and gives how many records it will have. An old expiry
 * must leave the index, so all are read where the group has expiries; else some, and the count follows them.
 */
async function storedBefore(
  { engine }: CheckpointSite,
  group: GroupTable,
  { entries, records }: TakenEntries,
): Promise<number> {
  const unknown = entries.flatMap(({ stored }, at) => (stored === UNKNOWN ? [at] : []));
  const step = group.hasExpiries ? 1 : Math.max(1, Math.ceil(unknown.length / SAMPLE));
  const asked = unknown.filter((_, at) => at % step === 0);
  const encoder = new RecordEncoder();
  for (let at = 0; at < asked.length; at += READS_AT_ONCE) {
    await Promise.all(
      asked.slice(at, at + READS_AT_ONCE).map(async (index) => {
        const entry = entries[index]!;
        const key = encoder.recordKey(group.number, entry.names.bytes, entry.key);
        try {
          const found = await engine.get(key);
          entry.stored = found ? (decodeRecord(key, found)?.expiresAtMs ?? 0) : ABSENT;
        } catch (error) {
          if (!isEngineDamage(error)) {
            throw error;
          }
          // A damaged record leaves its expiry behind, and whoever meets that finds that it is of no record.
          entry.stored = 0;
        }
      }),
    );
  }
  let count = group.records;
  let blind = 0;
  const wasUnknown = new Set(asked);
  for (const [at, { stored }] of entries.entries()) {
    // One that was read stands for `step` of them.
    const change = Number(records[at] !== undefined) - Number(stored !== ABSENT);
    if (stored === UNKNOWN) {
      continue;
    }
    if (wasUnknown.has(at)) {
      blind += change;
    } else {
      count += change;
    }
  }
  const factor = asked.length > 0 ? unknown.length / asked.length : 0;
  return Math.max(0, count + Math.round(blind * factor));
}
