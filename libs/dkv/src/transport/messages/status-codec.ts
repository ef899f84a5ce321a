/** What an operator is told of copies, as bytes: positions of groups in their logs, records without their values. */
import { GROUP_ROLES, type GroupPosition, type RecordSummary } from '../../model/cluster-report.js';
import { type ByteReader, malformed } from '../../model/byte-reader.js';
import { type ByteWriter } from '../../model/byte-writer.js';
import { type GroupStatus, type KeyStatus } from '../../model/peer-protocol.js';
import { isStrongVersion } from '../../model/strong-version.js';
import { isVersion } from '../../model/version.js';
import { readList, readNodeId, readOptional, VERSION_LENGTH_MAX, writeOptional } from './field-codec.js';

/** In one configuration: more than the copies that a key can have. */
const MEMBERS_MAX = 64;
const DIGEST_BYTES = 4;

export function writeGroupStatus(to: ByteWriter, status: GroupStatus): void {
  to.count(status.group);
  writePosition(to, status);
  to.ascii(status.leader);
  writeNodeIds(to, status.voters);
  writeNodeIds(to, status.outgoing);
  writeNodeIds(to, status.learners);
}

export function readGroupStatus(from: ByteReader): GroupStatus {
  return {
    group: from.count(),
    ...readPosition(from),
    leader: from.next === 0 ? from.ascii(0) : readNodeId(from),
    voters: readList(from, MEMBERS_MAX, readNodeId),
    outgoing: readList(from, MEMBERS_MAX, readNodeId),
    learners: readList(from, MEMBERS_MAX, readNodeId),
  };
}

export function writeKeyStatus(to: ByteWriter, { group, record, hintBytes }: KeyStatus): void {
  writeOptional(to, group, writePosition);
  writeOptional(to, record, writeSummary);
  writeOptional(to, hintBytes, (_, bytes) => to.count(bytes));
}

export function readKeyStatus(from: ByteReader): KeyStatus {
  const group = readOptional(from, '', readPosition);
  const record = readOptional(from, '', readSummary);
  const hintBytes = readOptional(from, '', () => from.count());
  return {
    ...(group && { group }),
    ...(record && { record }),
    ...(hintBytes !== undefined && { hintBytes }),
  };
}

function writePosition(to: ByteWriter, position: GroupPosition): void {
  to.byte(GROUP_ROLES.indexOf(position.role));
  to.count(position.term);
  to.count(position.lastIndex);
  to.count(position.commit);
  to.count(position.applied);
  to.count(position.generation);
}

function readPosition(from: ByteReader): GroupPosition {
  return {
    role: GROUP_ROLES[from.choice(GROUP_ROLES.length)]!,
    term: from.count(),
    lastIndex: from.count(),
    commit: from.count(),
    applied: from.count(),
    generation: from.count(),
  };
}

function writeSummary(to: ByteWriter, record: RecordSummary): void {
  to.ascii(record.version);
  to.hex(record.digest);
  to.count(record.valueBytes);
  to.count(record.expiresAtMs);
  to.flag(record.isTombstone);
}

function readSummary(from: ByteReader): RecordSummary {
  return {
    version: readAnyVersion(from),
    digest: from.hex(DIGEST_BYTES),
    valueBytes: from.count(),
    expiresAtMs: from.count(),
    isTombstone: from.flag(),
  };
}

/** Of either mode. */
function readAnyVersion(from: ByteReader): string {
  const version = from.ascii(VERSION_LENGTH_MAX);
  if (!isStrongVersion(version) && !isVersion(version)) {
    throw malformed('a version is none');
  }
  return version;
}

function writeNodeIds(to: ByteWriter, nodeIds: readonly string[]): void {
  to.count(nodeIds.length);
  nodeIds.forEach((nodeId) => to.ascii(nodeId));
}
