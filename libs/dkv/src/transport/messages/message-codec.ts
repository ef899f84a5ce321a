/** Peer requests and answers as bytes, one pair of functions per kind. */
import { Buffer } from 'node:buffer';
import { DkvError } from '../../dkv.errors.js';
import { WRITE_LEVELS } from '../../model/consistency.js';
import {
  GROUPS_PER_ANSWER_MAX,
  PEER_REQUEST_KINDS,
  type PeerProtocol,
  type PeerRequestKind,
  ROOTS_MAX,
  TRANSFER_STATES,
  WRITE_KINDS,
  type WriteOperation,
} from '../../model/peer-protocol.js';
import { TREE_BUCKETS } from '../../ports/local-kv-repo.js';
import { HEADERS_PER_PAGE_MAX, VISITED_MAX } from './limits.js';
import { type ByteReader, malformed } from '../../model/byte-reader.js';
import { type ByteWriter } from '../../model/byte-writer.js';
import {
  readHeader,
  readId,
  readList,
  readName,
  readNodeId,
  readOptional,
  readRecord,
  readRequestId,
  readVersion,
  readVersionOrNone,
  writeHeader,
  writeId,
  writeName,
  writeOptional,
  writeRecord,
  writeRequestId,
  writeVersion,
} from './field-codec.js';
import { readGroupStatus, readKeyStatus, writeGroupStatus, writeKeyStatus } from './status-codec.js';

interface Codec<T> {
  write(to: ByteWriter, value: T): void;
  /** `where` says in an error of a record whose it is. */
  read(from: ByteReader, where: string): T;
}

type Codecs<Part extends 'ask' | 'answer'> = { [K in PeerRequestKind]: Codec<PeerProtocol[K][Part]> };

const ROOT_LENGTH_MAX = 64;
const ROOT_PATTERN = /^[0-9a-f]*$/;
const DIGEST_BYTES = 8;

/** What stands for a kind in a frame. A number that was given once is never another kind's. */
export const KIND_NUMBERS: Readonly<Record<PeerRequestKind, number>> = {
  get: 1,
  getNoValue: 2,
  addOrUpdate: 3,
  forward: 4,
  getRoots: 9,
  getTree: 10,
  confirmFloor: 11,
  getHeaders: 12,
  getGroups: 13,
  getStatus: 14,
  transferLeadership: 15,
  handOver: 16,
};

const KINDS_BY_NUMBER: readonly (PeerRequestKind | undefined)[] = Array.from({ length: 256 }, (_, number) =>
  PEER_REQUEST_KINDS.find((kind) => KIND_NUMBERS[kind] === number),
);

/** Undefined for a number that is no kind's. */
export function knownKind(number: number): PeerRequestKind | undefined {
  return KINDS_BY_NUMBER[number];
}

/** @throws DkvError `DKV_PROTOCOL` */
export function kindOf(number: number): PeerRequestKind {
  const kind = knownKind(number);
  if (kind === undefined) {
    throw new DkvError('DKV_PROTOCOL', `This node does not know the peer request number ${number}.`);
  }
  return kind;
}

const ID_ASK: Codec<PeerProtocol['getStatus']['ask']> = {
  write: (to, { id }) => writeId(to, id),
  read: (from) => ({ id: readId(from) }),
};

const COPY_ASK: Codec<PeerProtocol['get']['ask']> = {
  write(to, { id, epoch }) {
    writeId(to, id);
    writeEpoch(to, epoch);
  },
  read: (from) => ({ id: readId(from), ...readEpoch(from) }),
};

export const ASKS: Codecs<'ask'> = {
  get: COPY_ASK,
  getNoValue: COPY_ASK,
  addOrUpdate: {
    write(to, { partition, record, epoch }) {
      to.count(partition);
      writeRecord(to, record);
      writeEpoch(to, epoch);
    },
    read: (from, where) => ({
      partition: from.count(),
      record: readRecord(from, where),
      ...readEpoch(from),
    }),
  },
  forward: {
    write(to, { operation, visited, timeoutMs, epoch }) {
      writeOperation(to, operation);
      to.count(visited.length);
      visited.forEach((nodeId) => to.ascii(nodeId));
      to.double(timeoutMs);
      writeEpoch(to, epoch);
    },
    read: (from) => ({
      operation: readOperation(from),
      visited: readList(from, VISITED_MAX, readNodeId),
      timeoutMs: readDuration(from),
      ...readEpoch(from),
    }),
  },
  getRoots: {
    write(to, { partitions }) {
      to.count(partitions.length);
      partitions.forEach((partition) => to.count(partition));
    },
    read: (from) => ({ partitions: readList(from, ROOTS_MAX, (each) => each.count()) }),
  },
  getTree: {
    write: (to, { partition }) => to.count(partition),
    read: (from) => ({ partition: from.count() }),
  },
  confirmFloor: {
    write(to, { partition, floor, agreed }) {
      to.count(partition);
      writeVersion(to, floor);
      writeOptional(to, agreed, (_, root) => to.ascii(root));
    },
    read: (from, where) => ({
      partition: from.count(),
      floor: readVersion(from),
      agreed: readOptional(from, where, readRoot),
    }),
  },
  getHeaders: {
    write(to, { partition, bucket, after }) {
      to.count(partition);
      to.count(bucket);
      writeOptional(to, after, writeName);
    },
    read: (from, where) => ({
      partition: from.count(),
      bucket: from.count(),
      after: readOptional(from, where, readName),
    }),
  },
  handOver: {
    write(to, { partition, epoch }) {
      to.count(partition);
      to.count(epoch);
    },
    read: (from) => ({ partition: from.count(), epoch: from.count() }),
  },
  getGroups: {
    write: (to, { first }) => to.count(first),
    read: (from) => ({ first: from.count() }),
  },
  getStatus: ID_ASK,
  transferLeadership: {
    write(to, { group, nodeId }) {
      to.count(group);
      to.ascii(nodeId);
    },
    read: (from) => ({ group: from.count(), nodeId: readNodeId(from) }),
  },
};

export const ANSWERS: Codecs<'answer'> = {
  get: {
    write: (to, { record }) => writeOptional(to, record, writeRecord),
    read: (from, where) => ({ record: readOptional(from, where, readRecord) }),
  },
  getNoValue: {
    write: (to, { header }) => writeOptional(to, header, writeHeader),
    read: (from, where) => ({ header: readOptional(from, where, readHeader) }),
  },
  addOrUpdate: {
    write(to, { version, newer }) {
      writeVersion(to, version);
      writeOptional(to, newer, writeRecord);
    },
    read: (from, where) => ({ version: readVersion(from), newer: readOptional(from, where, readRecord) }),
  },
  forward: {
    write(to, { record, existed }) {
      writeOptional(to, record, writeRecord);
      to.flag(existed);
    },
    read: (from, where) => ({
      record: readOptional(from, where, readRecord),
      existed: from.flag(),
    }),
  },
  getRoots: {
    write(to, { roots }) {
      to.count(roots.length);
      roots.forEach((root) => to.ascii(root));
    },
    read: (from) => ({ roots: readList(from, ROOTS_MAX, readRoot) }),
  },
  getTree: {
    write(to, { digests, floor, epoch }) {
      to.count(digests.length);
      digests.forEach((digest) => to.hex(digest));
      writeVersion(to, floor);
      to.count(epoch);
    },
    read: (from) => ({
      digests: readList(from, TREE_BUCKETS, (each) => each.hex(DIGEST_BYTES)),
      floor: readVersionOrNone(from),
      epoch: from.count(),
    }),
  },
  confirmFloor: {
    write: (to, { root }) => to.ascii(root),
    read: (from) => ({ root: from.ascii(ROOT_LENGTH_MAX) }),
  },
  getHeaders: {
    write(to, { headers, done }) {
      to.count(headers.length);
      headers.forEach((header) => writeHeader(to, header));
      to.flag(done);
    },
    read: (from) => ({
      headers: readList(from, HEADERS_PER_PAGE_MAX, readHeader),
      done: from.flag(),
    }),
  },
  handOver: {
    write: (to, { isWhole }) => to.flag(isWhole),
    read: (from) => ({ isWhole: from.flag() }),
  },
  getGroups: {
    write(to, { groups, done }) {
      to.count(groups.length);
      groups.forEach((status) => writeGroupStatus(to, status));
      to.flag(done);
    },
    read: (from) => ({
      groups: readList(from, GROUPS_PER_ANSWER_MAX, readGroupStatus),
      done: from.flag(),
    }),
  },
  getStatus: { write: writeKeyStatus, read: readKeyStatus },
  transferLeadership: {
    write: (to, { state }) => to.byte(TRANSFER_STATES.indexOf(state)),
    read: (from) => ({ state: TRANSFER_STATES[from.choice(TRANSFER_STATES.length)]! }),
  },
};

/** 0 for none, else one more. */
function writeEpoch(to: ByteWriter, epoch: number | undefined): void {
  to.count(epoch === undefined ? 0 : epoch + 1);
}

function readEpoch(from: ByteReader): { epoch?: number } {
  const count = from.count();
  return count === 0 ? {} : { epoch: count - 1 };
}

function writeOperation(to: ByteWriter, operation: WriteOperation): void {
  const { kind, id, value, ttlMs, level, expiredByMs, requestId } = operation;
  to.byte(WRITE_KINDS.indexOf(kind));
  writeId(to, id);
  to.block(value);
  to.count(ttlMs);
  to.byte(WRITE_LEVELS.indexOf(level));
  writeOptional(to, expiredByMs, (_, moment) => to.count(moment));
  writeRequestId(to, requestId);
}

function readOperation(from: ByteReader): WriteOperation {
  return {
    kind: WRITE_KINDS[from.choice(WRITE_KINDS.length)]!,
    id: readId(from),
    value: Buffer.from(from.block(from.left)),
    ttlMs: from.count(),
    level: WRITE_LEVELS[from.choice(WRITE_LEVELS.length)]!,
    expiredByMs: readOptional(from, '', () => from.count()),
    requestId: readRequestId(from),
  };
}

function readDuration(from: ByteReader): number {
  const durationMs = from.double();
  if (durationMs < 0) {
    throw malformed('a duration is negative');
  }
  return durationMs;
}

function readRoot(from: ByteReader): string {
  const root = from.ascii(ROOT_LENGTH_MAX);
  if (root === '' || !ROOT_PATTERN.test(root)) {
    throw malformed('a root is not 1 to 64 hex digits');
  }
  return root;
}
