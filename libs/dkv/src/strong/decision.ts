/** What a write makes of the record that its leader knows: the one place where a strong key changes. Pure. */
import { DkvError } from '../dkv.errors.js';
import { incremented } from '../model/counting.js';
import { NO_VERSION } from '../model/version.js';
import { type StrongRecord } from '../model/strong-record.js';
import { type StrongWrite } from '../model/strong-operations.js';
import { formatStrongVersion } from '../model/strong-version.js';
import { type Codec } from '../ports/codec.js';
import { type KeyChange } from './entry-layout.js';
import {
  decodeRemembered,
  encodeRemembered,
  IDEMPOTENCY_NAMESPACE,
  idempotencyRecordKey,
} from './idempotency.js';

/** A write as its leader gets it. */
export type AskedWrite = Omit<StrongWrite, 'timeoutMs' | 'signal'>;

export interface DecisionGround {
  /** The newest record that the leader knows, committed or not, even if expired; not looked for unless {@link restsOnRecord}. */
  readonly current: StrongRecord | undefined;
  /** What is remembered under the write's idempotency key. */
  readonly remembered: StrongRecord | undefined;
  /** Log time of the entry that would be made, milliseconds since 1970. */
  readonly timeMs: number;
  readonly idempotencyTtlMs: number;
  /**
   * For `increment` alone: whoever leads a group need not name all namespaces in it.
   * @throws DkvError `DKV_UNKNOWN_NAMESPACE`
   */
  readonly codecOf: (namespace: string) => Codec;
}

export type Decision =
  | { readonly kind: 'change'; readonly existed: boolean; readonly changes: readonly KeyChange[] }
  /** Nothing is to be written. */
  | {
      readonly kind: 'nothing';
      readonly outcome: 'done' | 'conflict';
      readonly existed: boolean;
      readonly repeated: boolean;
      readonly record: StrongRecord | undefined;
    };

/** @throws DkvError `DKV_INVALID_ARGUMENT`, `DKV_CODEC_FAILED`, `DKV_UNKNOWN_NAMESPACE`: nothing is to be written, and the caller is told why. */
export function decide(write: AskedWrite, ground: DecisionGround): Decision {
  const { current, remembered, timeMs, idempotencyTtlMs } = ground;
  const { kind, namespace, key, ttlMs, expected, idempotencyKey } = write;
  const seen = isLive(current, timeMs) ? current : undefined;
  if (isLive(remembered, timeMs)) {
    return repeatedOf(write, remembered, seen);
  }
  if (expected !== undefined && expected !== versionOf(seen)) {
    return {
      kind: 'nothing',
      outcome: 'conflict',
      existed: seen !== undefined,
      repeated: false,
      record: seen,
    };
  }
  const existed = seen !== undefined;
  const changes: KeyChange[] = [];
  if (existed || kind === 'put' || kind === 'increment') {
    const expiresAtMs = ttlMs === 0 ? 0 : timeMs + ttlMs;
    changes.push({ namespace, key, value: valueOf(write, seen, ground.codecOf), expiresAtMs });
  } else if (idempotencyKey === undefined) {
    // What expired is gone for every reader, and its removal is no caller's business.
    return { kind: 'nothing', outcome: 'done', existed, repeated: false, record: undefined };
  }
  if (idempotencyKey !== undefined) {
    changes.push({
      namespace: IDEMPOTENCY_NAMESPACE,
      key: idempotencyRecordKey(namespace, key, idempotencyKey),
      value: encodeRemembered({ existed, counted: kind === 'increment' ? changes[0]!.value! : NO_BYTES }),
      expiresAtMs: timeMs + idempotencyTtlMs,
    });
  }
  return { kind: 'change', existed, changes };
}

/** Whether what becomes of the write, or what its caller is told, hangs on the record that there is. */
export function restsOnRecord({ kind, expected, idempotencyKey }: AskedWrite): boolean {
  return kind !== 'put' || expected !== undefined || idempotencyKey !== undefined;
}

function versionOf(record: StrongRecord | undefined): string {
  return record ? formatStrongVersion(record.generation, record.index) : NO_VERSION;
}

/** Whether a reader at `timeMs` sees the record. */
export function isLive(record: StrongRecord | undefined | null, timeMs: number): record is StrongRecord {
  return record != null && (record.expiresAtMs === 0 || record.expiresAtMs > timeMs);
}

/**
 * Of an `increment` what the first call stored; of a `put` too, as long as it stands, and then the value of this call
 * under the version of the first; of others what the key has now.
 */
function repeatedOf(
  { kind, value }: AskedWrite,
  remembered: StrongRecord,
  seen: StrongRecord | undefined,
): Decision {
  const { existed, counted } = decodeRemembered(remembered.value);
  const { generation, index, modifiedMs } = remembered;
  const first = { generation, index, expiresAtMs: 0, modifiedMs };
  const stands = seen?.generation === generation && seen.index === index;
  let record = seen;
  if (kind === 'increment') {
    record = { ...first, value: counted };
  } else if (kind === 'put' && !stands) {
    record = { ...first, value };
  }
  return { kind: 'nothing', outcome: 'done', existed, repeated: true, record };
}

function valueOf(
  { kind, namespace, key, value, by = 0 }: AskedWrite,
  seen: StrongRecord | undefined,
  codecOf: DecisionGround['codecOf'],
): Uint8Array | undefined {
  switch (kind) {
    case 'put':
      return value;
    case 'remove':
      return undefined;
    case 'touch':
      return seen!.value;
    case 'increment': {
      const codec = codecOf(namespace);
      return encoded(codec, key, incremented(key, seen && decoded(codec, key, seen.value), by));
    }
  }
}

function decoded(codec: Codec, key: string, bytes: Uint8Array): unknown {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new DkvError('DKV_CODEC_FAILED', `The value of key ${JSON.stringify(key)} cannot be decoded.`, {
      cause,
    });
  }
}

function encoded(codec: Codec, key: string, count: number): Uint8Array {
  try {
    return codec.encode(count);
  } catch (cause) {
    throw new DkvError('DKV_CODEC_FAILED', `The count of key ${JSON.stringify(key)} cannot be encoded.`, {
      cause,
    });
  }
}

const NO_BYTES = new Uint8Array(0);
