/** Requests, answers and the words between them as frames that wait to be sent. */
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../model/peer-protocol.js';
import { ByteWriter } from '../../model/byte-writer.js';
import { type ErrorBody } from '../messages/error-body.js';
import { KIND_NUMBERS } from '../messages/message-codec.js';
import { assertOrigin, type Origin, writeAnswer, writeAsk, writeOrigin } from '../messages/peer-codec.js';
import {
  CHUNK_BYTES,
  ERROR_CODE_LENGTH_MAX,
  ERROR_TEXT_LENGTH_MAX,
  FRAME,
  HEAD_BYTES,
} from './frame-layout.js';

/** Something to send. Its memory is its own: nothing that it was made of may change it any more. */
export class Outgoing {
  /** Whether the last byte of it was given to the socket. */
  sent = false;
  /** Bytes of a large one that were given to the socket. */
  sentBytes = 0;

  constructor(
    /** Undefined of a word that needs none. */
    readonly origin: Origin | undefined,
    readonly id: number,
    readonly kind: number,
    /** The whole frame; of a large one the block that goes in chunks. */
    readonly bytes: Buffer,
    readonly large: boolean,
  ) {}
}

/** Length, type, id and kind. */
const ENVELOPE_BYTES_MAX = HEAD_BYTES + 8 + 1;
/** The id in an ERROR about the connection itself. */
export const CONNECTION_ID = 0;

/** Everything is written in one go: nobody else writes in between. */
const writer = new ByteWriter();
let lastOrigin: Origin = { from: '', configuration: '' };

/** @throws TypeError when a field is nothing that a node may say. */
export function requestFrame<K extends PeerRequestKind>(id: number, request: PeerRequest<K>): Outgoing {
  writer.begin(ENVELOPE_BYTES_MAX);
  writeAsk(writer, request);
  return finish(FRAME.REQUEST, id, KIND_NUMBERS[request.kind], request);
}

/** @throws TypeError when a field is nothing that a node may say. */
export function answerFrame<K extends PeerRequestKind>(id: number, reply: PeerReply<K>): Outgoing {
  writer.begin(ENVELOPE_BYTES_MAX);
  writeAnswer(writer, reply);
  return finish(FRAME.ANSWER, id, KIND_NUMBERS[reply.kind], reply);
}

export function errorFrame(id: number, { code, message }: ErrorBody): Outgoing {
  writer.begin(HEAD_BYTES);
  writer.count(id);
  writer.ascii(code.slice(0, ERROR_CODE_LENGTH_MAX));
  writer.text(message.slice(0, ERROR_TEXT_LENGTH_MAX));
  return new Outgoing(undefined, id, 0, framed(FRAME.ERROR), false);
}

export function cancelFrame(id: number): Outgoing {
  writer.begin(HEAD_BYTES);
  writer.count(id);
  return new Outgoing(undefined, id, 0, framed(FRAME.CANCEL), false);
}

/** A frame that is its type and nothing else. */
export function wordFrame(type: typeof FRAME.GOODBYE | typeof FRAME.PING | typeof FRAME.PONG): Outgoing {
  writer.begin(HEAD_BYTES);
  return new Outgoing(undefined, 0, 0, framed(type), false);
}

/** Who speaks from here on. */
export function originBytes(origin: Origin): Buffer {
  writer.begin(HEAD_BYTES);
  writeOrigin(writer, origin);
  return framed(FRAME.ORIGIN);
}

/** What stands before the next chunk of `large`, of `length` bytes. */
export function chunkHead({ id, kind, bytes, sentBytes }: Outgoing, length: number): Buffer {
  const isFirst = sentBytes === 0;
  writer.begin(HEAD_BYTES);
  writer.count(id);
  if (isFirst) {
    writer.byte(kind);
    writer.count(bytes.length);
  }
  return framed(isFirst ? FRAME.BEGIN : FRAME.CHUNK, length);
}

/** What was written since room for a head was left, with its head; `moreBytes` of the frame are elsewhere. */
function framed(type: number, moreBytes = 0): Buffer {
  const end = writer.length;
  writer.seek(0);
  writer.uint32(end - HEAD_BYTES + moreBytes);
  writer.byte(type);
  return writer.copy(0, end);
}

function finish(type: number, id: number, kind: number, envelope: Origin): Outgoing {
  const origin = originOf(envelope);
  const end = writer.length;
  const length = end - ENVELOPE_BYTES_MAX;
  if (length > CHUNK_BYTES) {
    return new Outgoing(origin, id, kind, writer.take(ENVELOPE_BYTES_MAX), true);
  }
  const idBytes = countBytes(id);
  const start = ENVELOPE_BYTES_MAX - HEAD_BYTES - idBytes - 1;
  writer.seek(start);
  writer.uint32(idBytes + 1 + length);
  writer.byte(type);
  writer.count(id);
  writer.byte(kind);
  return new Outgoing(origin, id, kind, writer.copy(start, end), false);
}

/** One and the same as long as a node says the same of itself. */
function originOf({ from, configuration }: Origin): Origin {
  if (from !== lastOrigin.from || configuration !== lastOrigin.configuration) {
    assertOrigin({ from, configuration });
    lastOrigin = { from, configuration };
  }
  return lastOrigin;
}

/** Of a number below 2^32. */
function countBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}
