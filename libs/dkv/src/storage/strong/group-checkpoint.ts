/** Writes one group's changes as one batch of the engine: its records, their expiries, and its state. */
import { Buffer } from 'node:buffer';
import { type StoreEngine, type StoreOperation } from '../engines/store-engine.js';
import { type NodeLog } from '../../ports/node-log.js';
import { type GroupState } from '../../ports/strong-store.js';
import { UsageCount, type UsageByNamespace } from '../../model/usage.js';
import { logDurable } from './wait-for-log.js';
import { ABSENT, UNKNOWN } from './record-head.js';
import { type GroupTable } from './group-table.js';
import { type RecordTable } from './record-table.js';
import { isEngineDamage } from '../storage-error.js';
import { decodeRecord, encodeState, RecordEncoder, stateKey } from './strong-keys.js';

/** A record costs 2 to 4 µs here, so this is about 1 ms. */
const RECORDS_PER_TURN = 256;
/** As many as one call of the engine reads. */
const READS_AT_ONCE = 128;
/** Of blind writes, where nothing but counts hangs on what was there before. */
const SAMPLE = 16;

export interface CheckpointSite {
  readonly engine: StoreEngine;
  readonly log: NodeLog;
  readonly table: RecordTable;
  readonly encoder: RecordEncoder;
  /** Resolves in another turn of the event loop. */
  readonly nextTurn: () => Promise<void>;
}

/**
 * Dirty records and state are taken in the turn of the call; encoding goes on in others, and sees what was taken. On an
 * error they are dirty as before. With `sync` the batch is durable when it resolves. Never call it twice at a time for a group.
 * @throws DkvError the log's, or the engine's own error
 */
export async function checkpointGroup(
  site: CheckpointSite,
  group: GroupTable,
  state: GroupState,
  sync: boolean,
): Promise<void> {
  const { engine, log, table, encoder, nextTurn } = site;
  const taken = table.take(group);
  try {
    const durable = logDurable(log);
    // Awaited after what can go on beside it, and may fail before that.
    durable.catch(() => undefined);
    const usage = await usageAfter(site, group, taken);
    const operations: StoreOperation[] = [];
    encoder.reuse();
    for (let at = 0; at < taken.length; at += RECORDS_PER_TURN) {
      if (at > 0) {
        await nextTurn();
      }
      const end = Math.min(at + RECORDS_PER_TURN, taken.length);
      for (let next = at; next < end; next++) {
        addOperations(operations, encoder, table, group, taken[next]!);
      }
    }
    const value = encodeState(group.number, { ...state, usage });
    operations.push({ type: 'put', key: stateKey(group.number), value });
    await durable;
    await engine.batch(operations, { sync });
    group.usage = usage;
  } catch (error) {
    table.giveBack(group);
    throw error;
  }
  for (let at = 0; at < taken.length; at += RECORDS_PER_TURN) {
    if (at > 0) {
      await nextTurn();
    }
    table.settle(group, Math.min(at + RECORDS_PER_TURN, taken.length));
  }
}

function addOperations(
  operations: StoreOperation[],
  encoder: RecordEncoder,
  table: RecordTable,
  group: GroupTable,
  position: number,
): void {
  const { number } = group;
  const { bytes } = table.index.namesAt(position);
  const key = table.slabs.keyAt(position);
  const stored = table.slabs.storedAt(position);
  const record = table.slabs.passingAt(position);
  const expiresAtMs = record?.expiresAtMs ?? 0;
  if (stored > 0 && stored !== expiresAtMs) {
    operations.push({ type: 'del', key: encoder.expiryKey(number, stored, bytes, key) });
  }
  if (!record) {
    if (stored !== ABSENT) {
      operations.push({ type: 'del', key: encoder.recordKey(number, bytes, key) });
    }
    return;
  }
  const encoded = encoder.record(number, bytes, key, record);
  operations.push({ type: 'put', key: encoded.key, value: encoded.value });
  if (expiresAtMs > 0 && stored !== expiresAtMs) {
    group.hasExpiries = true;
    operations.push({
      type: 'put',
      key: encoder.expiryKey(number, expiresAtMs, bytes, key),
      value: NO_BYTES,
    });
  }
}

const NO_BYTES = Buffer.alloc(0);

/**
 * Learns what the engine has of keys that were written blindly, and gives what it will have. An old expiry must leave the
 * index, so all are read where the group has expiries; else some, and the count follows them.
 */
async function usageAfter(
  { engine, table }: CheckpointSite,
  group: GroupTable,
  taken: readonly number[],
): Promise<UsageByNamespace> {
  const unknown = taken.filter((position) => table.slabs.storedAt(position) === UNKNOWN);
  const step = group.hasExpiries ? 1 : Math.max(1, Math.ceil(unknown.length / SAMPLE));
  const asked = unknown.filter((_, at) => at % step === 0);
  const encoder = new RecordEncoder();
  for (let at = 0; at < asked.length; at += READS_AT_ONCE) {
    await Promise.all(
      asked.slice(at, at + READS_AT_ONCE).map(async (position) => {
        const key = encoder.recordKey(
          group.number,
          table.index.namesAt(position).bytes,
          table.slabs.keyAt(position),
        );
        try {
          const found = await engine.get(key);
          const record = found && decodeRecord(key, found);
          const expiresAtMs = record?.expiresAtMs ?? (found ? 0 : ABSENT);
          table.slabs.setStored(position, expiresAtMs, record?.value.length);
        } catch (error) {
          if (!isEngineDamage(error)) {
            throw error;
          }
          // A damaged record leaves its expiry behind, and whoever meets that finds that it is of no record.
          table.slabs.setStored(position, 0);
        }
      }),
    );
  }
  const usage = new UsageCount(group.usage);
  const blind = new UsageCount();
  const wasUnknown = new Set(asked);
  for (const position of taken) {
    if (table.slabs.storedAt(position) !== UNKNOWN) {
      table.addChange(position, wasUnknown.has(position) ? blind : usage);
    }
  }
  // One that was read stands for as many as were not.
  usage.addAll(blind.byNamespace, asked.length > 0 ? unknown.length / asked.length : 0);
  return usage.byNamespace;
}
