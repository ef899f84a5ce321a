/** What callers get: a key, its value, and the stamp of the version. */
import { type ShownRecord } from '../model/shown-record.js';

/** A key and its value as stored. */
export interface KvPair<V = unknown> {
  readonly key: string;
  readonly value: V;
  /** When this version was written, milliseconds since 1970. */
  readonly modified: number;
  /** Text whose plain string order is the order of versions of this key. */
  readonly version: string;
  /** An earlier call with the same `idempotencyKey` had taken effect; this one wrote nothing. */
  readonly repeated?: true;
}

export function stampOf({ version, modifiedMs }: ShownRecord): Pick<KvPair, 'modified' | 'version'> {
  return { modified: modifiedMs, version };
}
