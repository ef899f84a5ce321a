/** What each kind of peer message must look like as JSON. */
import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsNumber,
  IsObject,
  IsOptional,
  IsString,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { WRITE_LEVELS, type WriteLevel } from '../model/consistency.js';
import { ROOTS_MAX, WRITE_KINDS, type WriteOperation } from '../model/peer-protocol.js';
import { TREE_BUCKETS } from '../ports/local-kv-repo.js';
import {
  IsBase64Bytes,
  IsCount,
  IsDigest,
  IsKey,
  IsNamespace,
  IsNodeId,
  IsRequestId,
  IsRoot,
  IsVersion,
  IsVersionOrNone,
} from './field-rules.js';
import { HEADERS_PER_PAGE_MAX, VISITED_MAX } from './limits.js';
import { RecordDto, RecordHeaderDto, RecordIdDto } from './record-dto.js';

const FINITE = { allowNaN: false, allowInfinity: false };
const CONFIGURATION_LENGTH_MAX = 256;

export class EnvelopeDto {
  @IsNodeId() from!: string;
  @IsString() @MaxLength(CONFIGURATION_LENGTH_MAX) configuration!: string;
  @IsNumber(FINITE) sentAtMs!: number;
}

// IsObject beside ValidateNested: the latter alone takes an array of objects as well.

export class IdAskDto {
  @IsObject() @ValidateNested() @Type(() => RecordIdDto) id!: RecordIdDto;
}

export class AddOrUpdateAskDto {
  @IsCount() partition!: number;
  @IsObject() @ValidateNested() @Type(() => RecordDto) record!: RecordDto;
}

export class WriteOperationDto {
  @IsIn(WRITE_KINDS) kind!: WriteOperation['kind'];
  @IsObject() @ValidateNested() @Type(() => RecordIdDto) id!: RecordIdDto;
  @IsBase64Bytes() value!: string;
  @IsCount() ttlMs!: number;
  @IsIn(WRITE_LEVELS) level!: WriteLevel;
  @IsOptional() @IsCount() expiredByMs?: number;
  @IsRequestId() requestId!: string;
}

export class ForwardAskDto {
  @IsObject() @ValidateNested() @Type(() => WriteOperationDto) operation!: WriteOperationDto;
  @IsArray() @ArrayMaxSize(VISITED_MAX) @IsNodeId({ each: true }) visited!: string[];
  @IsNumber(FINITE) @Min(0) timeoutMs!: number;
}

export class FloorAskDto {
  @IsCount() partition!: number;
  @IsVersion() floor!: string;
  @IsOptional() @IsRoot() agreed?: string;
}

export class RootsAskDto {
  @IsArray() @ArrayMaxSize(ROOTS_MAX) @IsCount({ each: true }) partitions!: number[];
}

export class PartitionAskDto {
  @IsCount() partition!: number;
}

export class AfterDto {
  @IsNamespace() namespace!: string;
  @IsKey() key!: string;
}

export class HeadersAskDto {
  @IsCount() partition!: number;
  @IsCount() bucket!: number;
  @IsOptional() @IsObject() @ValidateNested() @Type(() => AfterDto) after?: AfterDto;
}

export class RecordAnswerDto {
  @IsOptional() @IsObject() @ValidateNested() @Type(() => RecordDto) record?: RecordDto;
}

export class HeaderAnswerDto {
  @IsOptional() @IsObject() @ValidateNested() @Type(() => RecordHeaderDto) header?: RecordHeaderDto;
}

export class AddOrUpdateAnswerDto {
  @IsVersion() version!: string;
  @IsOptional() @IsObject() @ValidateNested() @Type(() => RecordDto) newer?: RecordDto;
}

export class ForwardAnswerDto {
  @IsOptional() @IsObject() @ValidateNested() @Type(() => RecordDto) record?: RecordDto;
  @IsBoolean() existed!: boolean;
}

export class FloorAnswerDto {
  @IsString() @MaxLength(64) root!: string;
}

export class RootsAnswerDto {
  @IsArray() @ArrayMaxSize(ROOTS_MAX) @IsRoot({ each: true }) roots!: string[];
}

export class TreeAnswerDto {
  @IsArray() @ArrayMaxSize(TREE_BUCKETS) @IsDigest({ each: true }) digests!: string[];
  @IsVersionOrNone() floor!: string;
}

export class HeadersAnswerDto {
  @IsArray()
  @ArrayMaxSize(HEADERS_PER_PAGE_MAX)
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => RecordHeaderDto)
  headers!: RecordHeaderDto[];

  @IsBoolean() done!: boolean;
}

export class PingAnswerDto {
  @IsBoolean() ready!: boolean;
  @IsBoolean() caughtUp!: boolean;
}
