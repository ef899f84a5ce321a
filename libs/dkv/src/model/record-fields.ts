/** The fields of a record of an eventual namespace, apart from what makes and checks them. */
import { type Version } from './version.js';

/** All of a record but its value: enough to compare copies. */
export interface RecordHeader {
  readonly namespace: string;
  readonly key: string;
  /** Stamped once by the coordinator of the write, copied verbatim ever after. */
  readonly version: Version;
  /** A delete is a record too. */
  readonly tombstone: boolean;
  /** Milliseconds since 1970 from which on the record counts as deleted; 0 is never. */
  readonly expiresAtMs: number;
  /** CRC-32 over every other field and the value as they are encoded, made where the version is stamped. */
  readonly checksum: number;
}

export interface KvRecord extends RecordHeader {
  /** When it was written by the clock of its coordinator, milliseconds since 1970; orders nothing. */
  readonly modifiedMs: number;
  /** The encoded value; empty in a tombstone. Shared by all who have the record: nobody may change it. */
  readonly value: Uint8Array;
}

/** A record before its checksum is made: what is left out takes its default. */
export type RecordDraft = Omit<KvRecord, 'checksum' | 'modifiedMs'> & Partial<Pick<KvRecord, 'modifiedMs'>>;
