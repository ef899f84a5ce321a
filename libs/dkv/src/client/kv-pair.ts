/** What callers get: a key, its value, and the stamp of the version. */
import { type WriteResult } from '../model/peer-protocol.js';
import { type KvRecord } from '../model/record.js';
import { physicalMsOf } from '../model/version.js';

/** A key and its value as stored. */
export interface KvPair<V = unknown> {
  readonly key: string;
  readonly value: V;
  /** When this version was written, milliseconds since 1970. */
  readonly modified: number;
  /** Text whose plain string order is the order of versions of this key. */
  readonly version: string;
}

/**
 * Version and time of what a write made; of a request that had taken effect before, of what it made then: where the
 * record has changed since, its time is that of the version, which is a moment off.
 */
export function stampOf({ record, applied }: WriteResult): Pick<KvPair, 'modified' | 'version'> {
  return applied === undefined || applied === record?.version
    ? stampOfRecord(record!)
    : { version: applied, modified: physicalMsOf(applied) };
}

export function stampOfRecord({ version, modifiedMs }: KvRecord): Pick<KvPair, 'modified' | 'version'> {
  return { modified: modifiedMs, version };
}
