/** What a leader has proposed and not applied yet: the newest state of its keys, and whose requests those are. */
import { NumberedList } from '../model/numbered-list.js';
import { type Request, type RequestId } from '../model/request.js';
import { type StrongRecord } from '../model/strong-record.js';

interface ProposedRecord {
  /** Undefined for a removal. */
  readonly record: StrongRecord | undefined;
  /** Of the entry. */
  readonly index: number;
}

interface ProposedSession {
  session: number;
  lowestUnanswered: number;
  /** By the number of a request, the index of the entry that it waits in. */
  readonly indexes: NumberedList<number>;
}

/**
 * A leader decides against its newest state, committed or not. Entries apply in order and none of them is lost while it
 * leads, so what it decided here is what applying will find.
 */
export class ProposedChanges {
  private readonly records = new Map<string, Map<string, ProposedRecord>>();
  private readonly sessions = new Map<string, ProposedSession>();

  /** The newest proposal of a key; undefined where none waits. */
  find(namespace: string, key: string): ProposedRecord | undefined {
    return this.records.get(namespace)?.get(key);
  }

  /** Of all keys that a proposal waits for. */
  names(nameOf: (namespace: string, key: string) => string): Set<string> {
    const all = new Set<string>();
    for (const [namespace, keys] of this.records) {
      for (const key of keys.keys()) {
        all.add(nameOf(namespace, key));
      }
    }
    return all;
  }

  addRecord(namespace: string, key: string, record: StrongRecord | undefined, index: number): void {
    let keys = this.records.get(namespace);
    if (!keys) {
      keys = new Map();
      this.records.set(namespace, keys);
    }
    keys.set(key, { record, index });
  }

  /** The entry is applied: what it left is in the store. */
  removeRecord(namespace: string, key: string, index: number): void {
    const keys = this.records.get(namespace);
    if (keys?.get(key)?.index === index) {
      keys.delete(key);
    }
  }

  /**
   * The index of the entry in which the request waits to be applied; `stale` where an entry that waits makes it one that
   * nobody waits for; undefined for neither.
   */
  standingOf({ nodeId, session, number }: RequestId): number | 'stale' | undefined {
    const known = this.sessions.get(nodeId);
    if (known === undefined || session > known.session) {
      return undefined;
    }
    if (session < known.session) {
      return 'stale';
    }
    return known.indexes.get(number) ?? (number < known.lowestUnanswered ? 'stale' : undefined);
  }

  addRequest(request: Request, index: number): void {
    const { nodeId, session, number, lowestUnanswered } = request;
    let known = this.sessions.get(nodeId);
    if (!known || known.session < session) {
      known = { session, lowestUnanswered, indexes: new NumberedList() };
      this.sessions.set(nodeId, known);
    }
    if (known.session === session) {
      known.lowestUnanswered = Math.max(known.lowestUnanswered, lowestUnanswered);
      known.indexes.set(number, index);
    }
  }

  removeRequest({ nodeId, session, number }: RequestId): void {
    const known = this.sessions.get(nodeId);
    if (known?.session === session) {
      known.indexes.delete(number);
    }
  }

  clear(): void {
    this.records.clear();
    this.sessions.clear();
  }
}
