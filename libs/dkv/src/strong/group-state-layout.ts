/** The bytes of what a checkpoint or a snapshot says of a group beside its records. */
import { asBuffer, ByteReader } from '../model/byte-reader.js';
import { ByteWriter } from '../model/byte-writer.js';
import { readConfiguration, writeConfiguration } from '../model/member-lists.js';
import { type Configuration } from '../model/raft-messages.js';
import { RequestTable } from './request-table.js';

/** As of the last entry that the records show. */
export interface AppliedState {
  readonly generation: number;
  /** Of that entry. */
  readonly term: number;
  /** Its log time, milliseconds since 1970. */
  readonly logTimeMs: number;
  readonly configuration: Configuration;
  readonly requests: RequestTable;
  /**
   * Nothing may be shown, and no leadership taken, before the entry of this index is applied: a snapshot was taken while
   * entries went on, and is whole only then (rule 22). `Infinity` while a snapshot is being fetched.
   */
  readonly wholeFrom: number;
}

const MEMBERS_MAX = 1_000;
const writer = new ByteWriter();

export function encodeAppliedState(state: AppliedState): Uint8Array {
  const { generation, term, logTimeMs, configuration, requests, wholeFrom } = state;
  writer.begin(0);
  writer.count(generation);
  writer.count(term);
  writer.count(logTimeMs);
  writeConfiguration(writer, configuration);
  writer.flag(wholeFrom === Infinity);
  writer.count(wholeFrom === Infinity ? 0 : wholeFrom);
  requests.writeTo(writer);
  return writer.take(0);
}

/** @throws DkvError `DKV_PROTOCOL` */
export function decodeAppliedState(bytes: Uint8Array): AppliedState {
  const reader = new ByteReader(asBuffer(bytes));
  const generation = reader.count();
  const term = reader.count();
  const logTimeMs = reader.count();
  const configuration = readConfiguration(reader, MEMBERS_MAX);
  const isFetching = reader.flag();
  const wholeFrom = reader.count();
  const requests = RequestTable.readFrom(reader);
  reader.assertEnd();
  return {
    generation,
    term,
    logTimeMs,
    configuration,
    requests,
    wholeFrom: isFetching ? Infinity : wholeFrom,
  };
}
