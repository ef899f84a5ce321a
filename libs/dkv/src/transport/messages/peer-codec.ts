/** Whole peer messages as bytes and back: who speaks, then the block that streams put into their frames. */
import {
  PEER_REQUEST_KINDS,
  type PeerReply,
  type PeerRequest,
  type PeerRequestKind,
} from '../../model/peer-protocol.js';
import { KnownTexts } from '../../model/known-texts.js';
import { asBuffer, ByteReader, malformed } from '../../model/byte-reader.js';
import { ByteWriter } from '../../model/byte-writer.js';
import { readNodeId } from './field-codec.js';
import { CONFIGURATION_LENGTH_MAX } from './limits.js';
import { ANSWERS, ASKS } from './message-codec.js';

/** The part of an envelope that rarely changes. */
export interface Origin {
  readonly from: string;
  readonly configuration: string;
}

const configurations = new KnownTexts();
/** Everything is written in one go: nobody else writes in between. */
const writer = new ByteWriter();

/** @throws TypeError when the configuration is too long for a message. */
export function assertOrigin({ configuration }: Origin): void {
  if (configuration.length > CONFIGURATION_LENGTH_MAX) {
    throw new TypeError(
      `A configuration of ${configuration.length} characters is too long for a peer message.`,
    );
  }
}

/** @throws TypeError as `assertOrigin` */
export function writeOrigin(to: ByteWriter, origin: Origin): void {
  const { from, configuration } = origin;
  assertOrigin(origin);
  to.ascii(from);
  to.text(configuration);
}

export function readOrigin(from: ByteReader): Origin {
  return {
    from: readNodeId(from),
    configuration: from.knownText(configurations, 3 * CONFIGURATION_LENGTH_MAX, (text) => text),
  };
}

/** The block of a request: all of it but its kind and its origin. @throws TypeError when no node may say that. */
export function writeAsk<K extends PeerRequestKind>(to: ByteWriter, request: PeerRequest<K>): void {
  to.double(request.sentAtMs);
  ASKS[request.kind].write(to, request.ask);
}

/** The block of an answer, as of a request. @throws TypeError when no node may say that. */
export function writeAnswer<K extends PeerRequestKind>(to: ByteWriter, reply: PeerReply<K>): void {
  to.double(reply.sentAtMs);
  ANSWERS[reply.kind].write(to, reply.answer);
}

/** @throws DkvError `DKV_PROTOCOL`, `DKV_CORRUPT_RECORD` */
export function readAsk<K extends PeerRequestKind>(
  kind: K,
  origin: Origin,
  block: ByteReader,
): PeerRequest<K> {
  const sentAtMs = block.double();
  const ask = ASKS[kind].read(block, `a message of node ${origin.from}`);
  block.assertEnd();
  return { kind, from: origin.from, configuration: origin.configuration, sentAtMs, ask };
}

/** @throws DkvError `DKV_PROTOCOL`, `DKV_CORRUPT_RECORD` */
export function readAnswer<K extends PeerRequestKind>(
  kind: K,
  origin: Origin,
  block: ByteReader,
): PeerReply<K> {
  const sentAtMs = block.double();
  const answer = ANSWERS[kind].read(block, `a message of node ${origin.from}`);
  block.assertEnd();
  return { kind, from: origin.from, configuration: origin.configuration, sentAtMs, answer };
}

/** `request` but its kind. @throws TypeError when no node may say that. */
export function encodePeerRequest<K extends PeerRequestKind>(request: PeerRequest<K>): Buffer {
  writer.begin(0);
  writeOrigin(writer, request);
  writeAsk(writer, request);
  return writer.take(0);
}

/**
 * The request of `kind` in `bytes`.
 * @throws DkvError `DKV_PROTOCOL` for an unknown kind or what is no request of it, `DKV_CORRUPT_RECORD`.
 */
export function decodePeerRequest(kind: string, bytes: Uint8Array): PeerRequest {
  if (!isPeerRequestKind(kind)) {
    throw malformed(`this node does not know the request ${JSON.stringify(kind.slice(0, 80))}`);
  }
  const reader = readerOf(bytes);
  return readAsk(kind, readOrigin(reader), reader);
}

/** @throws TypeError when no node may say that. */
export function encodePeerReply<K extends PeerRequestKind>(reply: PeerReply<K>): Buffer {
  writer.begin(0);
  writeOrigin(writer, reply);
  writeAnswer(writer, reply);
  return writer.take(0);
}

/** The answer to a request of `kind` in `bytes`. @throws DkvError `DKV_PROTOCOL`, `DKV_CORRUPT_RECORD` */
export function decodePeerReply<K extends PeerRequestKind>(kind: K, bytes: Uint8Array): PeerReply<K> {
  const reader = readerOf(bytes);
  return readAnswer(kind, readOrigin(reader), reader);
}

function isPeerRequestKind(kind: string): kind is PeerRequestKind {
  return (PEER_REQUEST_KINDS as readonly string[]).includes(kind);
}

function readerOf(bytes: Uint8Array): ByteReader {
  return new ByteReader(asBuffer(bytes));
}
