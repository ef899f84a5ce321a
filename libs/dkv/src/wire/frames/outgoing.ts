/** Requests, answers and the words between them as frames that wait to be sent. */
import { type PeerReply, type PeerRequest, type PeerRequestKind } from '../../model/peer-protocol.js';
import { type ErrorBody } from '../error-body.js';
import { ByteWriter } from './byte-writer.js';
import {
  CHUNK_BYTES,
  CONFIGURATION_LENGTH_MAX,
  ERROR_CODE_LENGTH_MAX,
  ERROR_TEXT_LENGTH_MAX,
  FRAME,
} from './frame-layout.js';
import { ANSWERS, ASKS, KIND_NUMBERS } from './message-codec.js';

/** The part of an envelope that rarely changes. */
export interface Origin {
  readonly from: string;
  readonly configuration: string;
}

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

/** Type, id, kind and the length of a block. */
const HEAD_BYTES_MAX = 1 + 8 + 1 + 8;

/** Everything is written in one go: nobody else writes in between. */
const writer = new ByteWriter();
let lastOrigin: Origin = { from: '', configuration: '' };

/** @throws TypeError when a field is nothing that a node may say. */
export function requestFrame<K extends PeerRequestKind>(id: number, request: PeerRequest<K>): Outgoing {
  writer.begin(HEAD_BYTES_MAX);
  writer.double(request.sentAtMs);
  ASKS[request.kind].write(writer, request.ask);
  return finish(FRAME.REQUEST, id, KIND_NUMBERS[request.kind], request);
}

/** @throws TypeError when a field is nothing that a node may say. */
export function answerFrame<K extends PeerRequestKind>(id: number, reply: PeerReply<K>): Outgoing {
  writer.begin(HEAD_BYTES_MAX);
  writer.double(reply.sentAtMs);
  ANSWERS[reply.kind].write(writer, reply.answer);
  return finish(FRAME.ANSWER, id, KIND_NUMBERS[reply.kind], reply);
}

export function errorFrame(id: number, { code, message }: ErrorBody): Outgoing {
  writer.begin(0);
  writer.byte(FRAME.ERROR);
  writer.count(id);
  writer.ascii(code.slice(0, ERROR_CODE_LENGTH_MAX));
  writer.text(message.slice(0, ERROR_TEXT_LENGTH_MAX));
  return new Outgoing(undefined, id, 0, writer.take(0), false);
}

export function cancelFrame(id: number): Outgoing {
  writer.begin(0);
  writer.byte(FRAME.CANCEL);
  writer.count(id);
  return new Outgoing(undefined, id, 0, writer.take(0), false);
}

export function goodbyeFrame(): Outgoing {
  return new Outgoing(undefined, 0, 0, Buffer.of(FRAME.GOODBYE), false);
}

/** Who speaks from here on. */
export function originBytes({ from, configuration }: Origin): Buffer {
  writer.begin(0);
  writer.byte(FRAME.ORIGIN);
  writer.ascii(from);
  writer.text(configuration);
  return writer.take(0);
}

/** What stands before the next chunk of `large`, of `length` bytes. */
export function chunkHead({ id, kind, bytes, sentBytes }: Outgoing, length: number): Buffer {
  writer.begin(0);
  if (sentBytes === 0) {
    writer.byte(FRAME.BEGIN);
    writer.count(id);
    writer.byte(kind);
    writer.count(bytes.length);
  } else {
    writer.byte(FRAME.CHUNK);
    writer.count(id);
  }
  writer.count(length);
  return writer.take(0);
}

function finish(type: number, id: number, kind: number, envelope: Origin): Outgoing {
  const origin = originOf(envelope);
  const end = writer.length;
  const length = end - HEAD_BYTES_MAX;
  if (length > CHUNK_BYTES) {
    return new Outgoing(origin, id, kind, writer.take(HEAD_BYTES_MAX), true);
  }
  const start = HEAD_BYTES_MAX - 2 - countBytes(id) - countBytes(length);
  writer.seek(start);
  writer.byte(type);
  writer.count(id);
  writer.byte(kind);
  writer.count(length);
  return new Outgoing(origin, id, kind, writer.copy(start, end), false);
}

/** One and the same as long as a node says the same of itself. */
function originOf({ from, configuration }: Origin): Origin {
  if (from !== lastOrigin.from || configuration !== lastOrigin.configuration) {
    if (configuration.length > CONFIGURATION_LENGTH_MAX) {
      throw new TypeError(
        `A configuration of ${configuration.length} characters is too long for a peer message.`,
      );
    }
    lastOrigin = { from, configuration };
  }
  return lastOrigin;
}

/** Of a number below 2^32. */
function countBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}
