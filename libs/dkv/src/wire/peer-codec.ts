/** Peer messages to JSON and back, one pair of functions per kind; what comes in is checked field by field. */
import { DkvError, type DkvErrorCode } from '../dkv.errors.js';
import {
  PEER_REQUEST_KINDS,
  type PeerEnvelope,
  type PeerProtocol,
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
  type WriteOperation,
} from '../model/peer-protocol.js';
import { withOwnBytes } from '../model/record-layout.js';
import { verifyRecord, type KvRecord } from '../model/record.js';
import { fromBase64, toBase64 } from './base64.js';
import { PROTOCOL_FORMAT } from './limits.js';
import {
  AddOrUpdateAnswerDto,
  AddOrUpdateAskDto,
  EnvelopeDto,
  FloorAnswerDto,
  FloorAskDto,
  ForwardAnswerDto,
  ForwardAskDto,
  HeaderAnswerDto,
  HeadersAnswerDto,
  HeadersAskDto,
  IdAskDto,
  PartitionAskDto,
  PingAnswerDto,
  RecordAnswerDto,
  RootsAnswerDto,
  RootsAskDto,
  TreeAnswerDto,
  type WriteOperationDto,
} from './peer-dto.js';
import { type RecordDto, toHeader, toRecord, toRecordDto, toRecordId } from './record-dto.js';
import { isObject, parseAs } from './validation.js';

/** Checks JSON against a DTO, saying which message of which node was wrong. */
interface Parse {
  <T extends object>(Dto: new () => T, plain: unknown): T;
  /** The record, once its checksum is found right. */
  record(dto: RecordDto): KvRecord;
}

interface Codec<T> {
  /** The exact JSON fields: nothing else that the value may carry. */
  toWire(value: T): object;
  fromWire(plain: unknown, parse: Parse): T;
}

type Codecs<Part extends 'ask' | 'answer'> = { [K in PeerRequestKind]: Codec<PeerProtocol[K][Part]> };

const ID_ASK: Codec<PeerProtocol['get']['ask']> = {
  toWire: ({ id }) => ({ id: toRecordId(id) }),
  fromWire: (plain, parse) => ({ id: toRecordId(parse(IdAskDto, plain).id) }),
};

const ASKS: Codecs<'ask'> = {
  get: ID_ASK,
  getNoValue: ID_ASK,
  addOrUpdate: {
    toWire: ({ partition, record }) => ({ partition, record: toRecordDto(record) }),
    fromWire(plain, parse) {
      const { partition, record } = parse(AddOrUpdateAskDto, plain);
      return { partition, record: parse.record(record) };
    },
  },
  forward: {
    toWire: ({ operation, visited, timeoutMs }) => ({
      operation: { ...operation, id: toRecordId(operation.id), value: toBase64(operation.value) },
      visited,
      timeoutMs,
    }),
    fromWire(plain, parse) {
      const { operation, visited, timeoutMs } = parse(ForwardAskDto, plain);
      return { operation: toOperation(operation), visited, timeoutMs };
    },
  },
  getRoots: {
    toWire: ({ partitions }) => ({ partitions }),
    fromWire: (plain, parse) => ({ partitions: parse(RootsAskDto, plain).partitions }),
  },
  getTree: {
    toWire: ({ partition }) => ({ partition }),
    fromWire: (plain, parse) => ({ partition: parse(PartitionAskDto, plain).partition }),
  },
  confirmFloor: {
    toWire: ({ partition, floor, agreed }) => ({ partition, floor, agreed }),
    fromWire: (plain, parse) => ({ ...parse(FloorAskDto, plain) }),
  },
  getHeaders: {
    toWire: ({ partition, bucket, after }) => ({ partition, bucket, after }),
    fromWire(plain, parse) {
      const { partition, bucket, after } = parse(HeadersAskDto, plain);
      return after ? { partition, bucket, after: { ...after } } : { partition, bucket };
    },
  },
  ping: { toWire: () => ({}), fromWire: () => ({}) },
};

const ANSWERS: Codecs<'answer'> = {
  get: {
    toWire: ({ record }) => ({ record: record && toRecordDto(record) }),
    fromWire(plain, parse) {
      const { record } = parse(RecordAnswerDto, plain);
      return { record: record ? parse.record(record) : undefined };
    },
  },
  getNoValue: {
    toWire: ({ header }) => ({ header: header && toHeader(header) }),
    fromWire(plain, parse) {
      const { header } = parse(HeaderAnswerDto, plain);
      return { header: header ? toHeader(header) : undefined };
    },
  },
  addOrUpdate: {
    toWire: ({ version, newer }) => ({ version, newer: newer && toRecordDto(newer) }),
    fromWire(plain, parse) {
      const { version, newer } = parse(AddOrUpdateAnswerDto, plain);
      return { version, newer: newer ? parse.record(newer) : undefined };
    },
  },
  forward: {
    toWire: ({ record, existed }) => ({ record: record && toRecordDto(record), existed }),
    fromWire(plain, parse) {
      const { record, existed } = parse(ForwardAnswerDto, plain);
      return { record: record ? parse.record(record) : undefined, existed };
    },
  },
  getRoots: {
    toWire: ({ roots }) => ({ roots }),
    fromWire: (plain, parse) => ({ roots: parse(RootsAnswerDto, plain).roots }),
  },
  getTree: {
    toWire: ({ digests, floor }) => ({ digests, floor }),
    fromWire: (plain, parse) => ({ ...parse(TreeAnswerDto, plain) }),
  },
  confirmFloor: {
    toWire: ({ root }) => ({ root }),
    fromWire: (plain, parse) => ({ ...parse(FloorAnswerDto, plain) }),
  },
  getHeaders: {
    toWire: ({ headers, done }) => ({ headers: headers.map(toHeader), done }),
    fromWire(plain, parse) {
      const { headers, done } = parse(HeadersAnswerDto, plain);
      return { headers: headers.map(toHeader), done };
    },
  },
  ping: {
    toWire: ({ ready, caughtUp }) => ({ ready, caughtUp }),
    fromWire: (plain, parse) => ({ ...parse(PingAnswerDto, plain) }),
  },
};

/** The JSON body of `request`; its kind travels in the path. */
export function encodePeerRequest<K extends PeerRequestKind>(request: PeerRequest<K>): object {
  return { ...toEnvelope(request), ask: ASKS[request.kind].toWire(request.ask) };
}

/**
 * The request in a parsed JSON body.
 * @throws DkvError `DKV_PROTOCOL` for an unknown kind or another format, `DKV_INVALID_ARGUMENT` naming the field
 *   that is wrong, `DKV_CORRUPT_RECORD`.
 */
export function decodePeerRequest(kind: string, body: unknown): PeerRequest {
  if (!isPeerRequestKind(kind)) {
    throw new DkvError('DKV_PROTOCOL', `This node does not know the peer request ${JSON.stringify(kind)}.`);
  }
  const { envelope, parse, plain } = open(body, `The peer request ${kind}`, 'DKV_INVALID_ARGUMENT');
  return { kind, ...envelope, ask: ASKS[kind].fromWire(plain.ask, parse) };
}

export function encodePeerReply<K extends PeerRequestKind>(reply: PeerReply<K>): object {
  return { ...toEnvelope(reply), answer: ANSWERS[reply.kind].toWire(reply.answer) };
}

/**
 * The reply to a request of `kind` in a parsed JSON body.
 * @throws DkvError `DKV_PROTOCOL` when it is none, `DKV_CORRUPT_RECORD`.
 */
export function decodePeerReply<K extends PeerRequestKind>(kind: K, body: unknown): PeerReply<K> {
  const { envelope, parse, plain } = open(body, `The answer to the peer request ${kind}`, 'DKV_PROTOCOL');
  return { kind, ...envelope, answer: ANSWERS[kind].fromWire(plain.answer, parse) };
}

export function isPeerRequestKind(kind: string): kind is PeerRequestKind {
  return (PEER_REQUEST_KINDS as readonly string[]).includes(kind);
}

function toEnvelope({ from, configuration, sentAtMs }: PeerEnvelope): object {
  return { format: PROTOCOL_FORMAT, from, configuration, sentAtMs };
}

function open(body: unknown, what: string, code: DkvErrorCode) {
  if (!isObject(body)) {
    throw new DkvError(code, `${what} is not a JSON object.`);
  }
  // Before any field: another format may have other fields.
  if (body.format !== PROTOCOL_FORMAT) {
    throw new DkvError(
      'DKV_PROTOCOL',
      `${what} is of format ${JSON.stringify(body.format) ?? 'none'}; this node speaks format ` +
        `${PROTOCOL_FORMAT}. Run versions of nestjs-dkv that share a format.`,
    );
  }
  const { from, configuration, sentAtMs } = parseAs(EnvelopeDto, body, code, what);
  const parse: Parse = Object.assign(
    <T extends object>(Dto: new () => T, plain: unknown) => parseAs(Dto, plain, code, what),
    { record: (dto: RecordDto) => withOwnBytes(verifyRecord(toRecord(dto), `a message of node ${from}`)) },
  );
  return { envelope: { from, configuration, sentAtMs }, parse, plain: body };
}

function toOperation(dto: WriteOperationDto): WriteOperation {
  const { kind, id, value, ttlMs, level, expiredByMs, requestId } = dto;
  return {
    kind,
    id: toRecordId(id),
    value: fromBase64(value),
    ttlMs,
    level,
    expiredByMs: expiredByMs ?? undefined,
    requestId,
  };
}
