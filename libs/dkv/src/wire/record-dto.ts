/** Records as JSON: the value as base64, every other field as it is. */
import { IsBoolean } from 'class-validator';
import { type RecordId } from '../model/key.js';
import { type KvRecord, type RecordHeader } from '../model/record.js';
import { fromBase64, toBase64 } from './base64.js';
import { IsBase64Bytes, IsChecksum, IsCount, IsKey, IsNamespace, IsVersion } from './field-rules.js';

export class RecordIdDto {
  @IsCount() partition!: number;
  @IsNamespace() namespace!: string;
  @IsKey() key!: string;
}

export class RecordHeaderDto {
  @IsNamespace() namespace!: string;
  @IsKey() key!: string;
  @IsVersion() version!: string;
  @IsBoolean() tombstone!: boolean;
  @IsCount() expiresAtMs!: number;
  @IsChecksum() checksum!: number;
}

export class RecordDto extends RecordHeaderDto {
  @IsCount() modifiedMs!: number;
  @IsBase64Bytes() value!: string;
}

export function toRecordId({ partition, namespace, key }: RecordId): RecordId {
  return { partition, namespace, key };
}

/** Exactly the header's fields, of whatever carries them. */
export function toHeader(record: RecordHeader): RecordHeader {
  const { namespace, key, version, tombstone, expiresAtMs, checksum } = record;
  return { namespace, key, version, tombstone, expiresAtMs, checksum };
}

export function toRecordDto(record: KvRecord): RecordDto {
  const { modifiedMs, value } = record;
  return { ...toHeader(record), modifiedMs, value: toBase64(value) };
}

/** Not verified against its checksum: `decodePeerRequest` and `decodePeerReply` do, knowing the sender. */
export function toRecord(dto: RecordDto): KvRecord {
  const { modifiedMs, value } = dto;
  return { ...toHeader(dto), modifiedMs, value: fromBase64(value) };
}
