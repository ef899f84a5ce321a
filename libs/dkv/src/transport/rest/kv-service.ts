/** What the REST side of the peer port needs of the store: raw bytes in, raw bytes out. */
import { type ReadLevel, type WriteLevel } from '../../model/consistency.js';
import { type Version } from '../../model/version.js';

export interface KvReadOptions {
  /** Absent: the namespace's default. */
  readonly level?: ReadLevel;
  /** The value is not needed and may be left out of the answer. */
  readonly noValue: boolean;
}

export interface KvWriteOptions {
  /** Absent: the namespace's default. */
  readonly level?: WriteLevel;
  /** The version that the key must have, '' for no value; absent: any will do. Strong namespaces only. */
  readonly expected?: Version;
  /** The caller's name of the request, under which it takes effect once. Strong namespaces only. */
  readonly idempotencyKey?: string;
}

export interface KvStamp {
  readonly version: Version;
  /** When the version was stamped, milliseconds since 1970. */
  readonly modified: number;
}

export interface KvRepetition {
  /** An earlier request of the same `idempotencyKey` had taken effect; this one wrote nothing. */
  readonly repeated?: true;
}

export type KvWritten = KvStamp & KvRepetition;

export interface KvRemoved extends KvRepetition {
  /** Whether a reader saw a value just before; where `repeated`, before the first request. */
  readonly existed: boolean;
}

/**
 * Encoded values, as they travel and rest. Keys and namespaces come well formed; whether a namespace exists is
 * for the service to say (`DKV_UNKNOWN_NAMESPACE`). Every method may be called concurrently and throws DkvErrors,
 * whose codes travel back; a key that has not the version expected is a DkvConflictError.
 */
export interface KvService {
  /** Undefined when a reader sees no value. */
  get(
    namespace: string,
    key: string,
    options: KvReadOptions,
  ): Promise<(KvStamp & { readonly value: Uint8Array }) | undefined>;
  /** Resolves once the write is committed at its level. `ttlMs`: lifetime; 0 is for ever; absent: the default. */
  addOrUpdate(
    namespace: string,
    key: string,
    value: Uint8Array,
    options: KvWriteOptions & { readonly ttlMs?: number },
  ): Promise<KvWritten>;
  remove(namespace: string, key: string, options: KvWriteOptions): Promise<KvRemoved>;
}

export const KvService = Symbol('DkvKvService');
