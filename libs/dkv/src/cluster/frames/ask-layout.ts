/** The bytes of questions to the leader of a group, and of their answers. */
import { MEMBER_BYTES_MAX } from '../../model/member-lists.js';
import { isDkvErrorCode } from '../../dkv.errors.js';
import { type ByteReader, malformed } from '../../model/byte-reader.js';
import { type ByteWriter } from '../../model/byte-writer.js';
import { KnownTexts } from '../../model/known-texts.js';
import { STORED_KEY_BYTES_MAX, NAMESPACE_BYTES_MAX } from '../../model/key.js';
import { type Answer, type Ask } from '../../model/node-messages.js';
import { readRequest, writeRequest } from '../../model/request-layout.js';
import { STRONG_WRITE_KINDS } from '../../model/strong-operations.js';
import { type KeyedRecord, type StrongRecord } from '../../model/strong-record.js';

const ASKS = ['write', 'read', 'cancel'] as const satisfies readonly Ask['type'][];
const ANSWERS = ['done', 'retry', 'cancelled', 'refused'] as const satisfies readonly Answer['type'][];
const TEXT_BYTES_MAX = 8_192;
const namespaces = new KnownTexts();
const VERSION_BYTES_MAX = 20;
const IDEMPOTENCY_KEY_BYTES_MAX = 1_024;
const HAS_EXPECTED = 1;
const HAS_IDEMPOTENCY_KEY = 2;

export function writeAsk(to: ByteWriter, ask: Ask): void {
  to.byte(ASKS.indexOf(ask.type));
  switch (ask.type) {
    case 'write': {
      const { kind, namespace, key, value, by, ttlMs, expected, idempotencyKey } = ask.write;
      writeRequest(to, ask.request);
      to.byte(STRONG_WRITE_KINDS.indexOf(kind));
      to.byte(
        (expected === undefined ? 0 : HAS_EXPECTED) |
          (idempotencyKey === undefined ? 0 : HAS_IDEMPOTENCY_KEY),
      );
      to.text(namespace);
      to.text(key);
      to.count(ttlMs);
      if (kind === 'increment') {
        to.double(by ?? 0);
      } else {
        to.block(value);
      }
      if (expected !== undefined) {
        to.ascii(expected);
      }
      if (idempotencyKey !== undefined) {
        to.text(idempotencyKey);
      }
      return;
    }
    case 'cancel':
      writeRequest(to, ask.request);
      to.text(ask.namespace);
      to.text(ask.key);
      return;
    case 'read':
      to.text(ask.namespace);
      to.text(ask.key);
      to.flag(ask.linearizable);
      to.count(ask.floor.generation);
      to.count(ask.floor.index);
      return;
  }
}

const NO_BYTES = new Uint8Array(0);

export function readAsk(from: ByteReader): Ask {
  const type = ASKS[from.choice(ASKS.length)]!;
  switch (type) {
    case 'write': {
      const request = readRequest(from);
      const kind = STRONG_WRITE_KINDS[from.choice(STRONG_WRITE_KINDS.length)]!;
      const flags = from.choice(4);
      const namespace = from.knownText(namespaces, NAMESPACE_BYTES_MAX);
      const key = from.text(STORED_KEY_BYTES_MAX);
      const ttlMs = from.count();
      const by = kind === 'increment' ? from.double() : undefined;
      const value = kind === 'increment' ? NO_BYTES : from.bytesOf(Infinity);
      const expected = flags & HAS_EXPECTED ? from.ascii(VERSION_BYTES_MAX) : undefined;
      const idempotencyKey = flags & HAS_IDEMPOTENCY_KEY ? from.text(IDEMPOTENCY_KEY_BYTES_MAX) : undefined;
      return { type, request, write: { kind, namespace, key, value, by, ttlMs, expected, idempotencyKey } };
    }
    case 'cancel':
      return {
        type,
        request: readRequest(from),
        namespace: from.knownText(namespaces, NAMESPACE_BYTES_MAX),
        key: from.text(STORED_KEY_BYTES_MAX),
      };
    case 'read':
      return {
        type,
        namespace: from.knownText(namespaces, NAMESPACE_BYTES_MAX),
        key: from.text(STORED_KEY_BYTES_MAX),
        linearizable: from.flag(),
        floor: { generation: from.count(), index: from.count() },
      };
    default:
      throw malformed('a question is of no known type');
  }
}

const IS_CONFLICT = 1;
const EXISTED = 2;
const REPEATED = 4;
const HAS_RECORD = 8;
const IS_LOGGED = 16;
const IS_OWN_VALUE = 32;
const ANSWER_FLAGS = 64;

export function writeAnswer(to: ByteWriter, answer: Answer): void {
  to.byte(ANSWERS.indexOf(answer.type));
  switch (answer.type) {
    case 'done': {
      const { outcome, record, existed, repeated, generation, index, isLogged, isOwnValue } = answer;
      to.byte(
        (outcome === 'conflict' ? IS_CONFLICT : 0) |
          (existed ? EXISTED : 0) |
          (repeated ? REPEATED : 0) |
          (record ? HAS_RECORD : 0) |
          (isLogged ? IS_LOGGED : 0) |
          (isOwnValue ? IS_OWN_VALUE : 0),
      );
      to.count(generation);
      to.count(index);
      if (record) {
        writeRecord(to, record, isOwnValue ? NO_BYTES : record.value);
      }
      return;
    }
    case 'cancelled':
      to.count(answer.generation);
      to.count(answer.index);
      return;
    case 'retry':
      to.text(answer.leader);
      to.count(answer.session);
      return;
    case 'refused':
      to.text(answer.code);
      to.text(answer.message);
      return;
  }
}

export function readAnswer(from: ByteReader): Answer {
  const type = ANSWERS[from.choice(ANSWERS.length)]!;
  switch (type) {
    case 'done': {
      const flags = from.choice(ANSWER_FLAGS);
      const generation = from.count();
      const index = from.count();
      return {
        type,
        generation,
        index,
        outcome: flags & IS_CONFLICT ? 'conflict' : 'done',
        existed: (flags & EXISTED) !== 0,
        repeated: (flags & REPEATED) !== 0,
        isLogged: (flags & IS_LOGGED) !== 0,
        isOwnValue: (flags & IS_OWN_VALUE) !== 0,
        record: flags & HAS_RECORD ? readRecord(from) : undefined,
      };
    }
    case 'cancelled':
      return { type, generation: from.count(), index: from.count() };
    case 'retry':
      return { type, leader: from.text(MEMBER_BYTES_MAX), session: from.count() };
    case 'refused': {
      const code = from.text(TEXT_BYTES_MAX);
      const message = from.text(TEXT_BYTES_MAX);
      if (!isDkvErrorCode(code)) {
        throw malformed('a refusal has no known code');
      }
      return { type, code, message };
    }
    default:
      throw malformed('an answer is of no known type');
  }
}

function writeRecord(to: ByteWriter, record: StrongRecord, value = record.value): void {
  to.count(record.generation);
  to.count(record.index);
  to.count(record.expiresAtMs);
  to.count(record.modifiedMs);
  to.block(value);
}

function readRecord(from: ByteReader): StrongRecord {
  return {
    generation: from.count(),
    index: from.count(),
    expiresAtMs: from.count(),
    modifiedMs: from.count(),
    value: from.bytesOf(Infinity),
  };
}

export function writeKeyedRecord(to: ByteWriter, { namespace, key, record }: KeyedRecord): void {
  to.text(namespace);
  to.text(key);
  writeRecord(to, record);
}

export function readKeyedRecord(from: ByteReader): KeyedRecord {
  return {
    namespace: from.knownText(namespaces, NAMESPACE_BYTES_MAX),
    key: from.text(STORED_KEY_BYTES_MAX),
    record: readRecord(from),
  };
}
