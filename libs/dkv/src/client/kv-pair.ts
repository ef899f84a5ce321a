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

/** What became of a write that leaves no value of its own. */
export interface KvExistence {
  /** Whether there was a value just before; where `repeated`, before the call that took effect. */
  readonly existed: boolean;
  /** An earlier call with the same `idempotencyKey` had taken effect; this one wrote nothing. */
  readonly repeated?: true;
}

/** What an update found to delete, or never made: the fields of a pair, so that `value` can be taken from either. */
export interface KvNothing {
  readonly key: string;
  readonly value?: undefined;
  readonly modified?: undefined;
  readonly version?: undefined;
  /** An earlier call with the same `idempotencyKey` had taken effect; this one wrote nothing. */
  readonly repeated?: true;
}

/** What a result says of having been repeated: nothing, where it was not. */
export function repetitionOf(repeated: boolean): { readonly repeated?: true } {
  return repeated ? { repeated } : NOT_REPEATED;
}

const NOT_REPEATED = Object.freeze({});

export function stampOf({ version, modifiedMs }: ShownRecord): Pick<KvPair, 'modified' | 'version'> {
  return { modified: modifiedMs, version };
}
