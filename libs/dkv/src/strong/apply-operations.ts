/** Makes in the store what an entry of the log says: followers decide nothing, they only apply. */
import { type StrongStore } from '../ports/strong-store.js';
import { type EntryOperation, type OperationsEntry } from './entry-layout.js';
import { type RequestOutcome, type RequestStanding, type RequestTable } from './request-table.js';

/** Of a group, what applying changes. */
export interface Applying {
  readonly number: number;
  readonly generation: number;
  logTimeMs: number;
  readonly requests: RequestTable;
}

type Store = Pick<StrongStore, 'put' | 'remove'>;

const NO_BYTES = new Uint8Array(0);

/** Gives what became of the last operation's request. */
export function applyOperations(
  group: Applying,
  store: Store,
  index: number,
  { timeMs, operations }: OperationsEntry,
): RequestStanding {
  group.logTimeMs = Math.max(group.logTimeMs, timeMs);
  let standing: RequestStanding = 'new';
  for (const operation of operations) {
    const { request } = operation;
    // The first of a request and its cancel wins; what nobody waits for any more does nothing.
    standing = request === undefined ? 'new' : group.requests.standingOf(request);
    if (standing === 'new') {
      standing = applyOperation(group, store, index, operation);
    }
  }
  return standing;
}

function applyOperation(
  { number, generation, logTimeMs: modifiedMs, requests }: Applying,
  store: Store,
  index: number,
  { kind, request, existed, isCount, changes }: EntryOperation,
): RequestStanding {
  const outcome: RequestOutcome = {
    index,
    kind: kind === 'cancel' ? 'cancelled' : 'applied',
    existed,
    expiresAtMs: changes[0]?.expiresAtMs ?? 0,
    counted: isCount ? changes[0]!.value! : NO_BYTES,
  };
  if (request) {
    requests.record(request, outcome);
  }
  for (const { namespace, key, value, expiresAtMs } of changes) {
    if (value === undefined) {
      store.remove(number, namespace, key);
    } else {
      store.put(number, namespace, key, { generation, index, expiresAtMs, modifiedMs, value });
    }
  }
  return outcome;
}
