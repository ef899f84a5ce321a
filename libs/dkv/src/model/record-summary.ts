/** A record in short, so that copies on different nodes can be compared without their values. */
import { crc32 } from './checksum.js';
import { type RecordSummary } from './cluster-report.js';
import { hex8 } from './hex.js';

export interface SummarisedRecord {
  readonly namespace: string;
  readonly key: string;
  readonly version: string;
  readonly value: Uint8Array;
  readonly expiresAtMs: number;
  readonly isTombstone: boolean;
}

export function summaryOf(record: SummarisedRecord): RecordSummary {
  const { namespace, key, version, value, expiresAtMs, isTombstone } = record;
  // The value last: only what has a bound stands before it, apart by NUL, which no namespace has.
  const digest = hex8(crc32(value, crc32(`${namespace}\0${expiresAtMs}\0${key}\0`)));
  return { version, digest, valueBytes: value.length, expiresAtMs, isTombstone };
}
