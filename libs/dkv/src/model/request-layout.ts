/** The bytes of a request's name. */
import { type ByteReader } from './byte-reader.js';
import { type ByteWriter } from './byte-writer.js';
import { KnownTexts } from './known-texts.js';
import { type Request } from './request.js';

const NODE_ID_LENGTH_MAX = 100;
const nodeIds = new KnownTexts();

export function writeRequest(to: ByteWriter, { nodeId, session, number, lowestUnanswered }: Request): void {
  to.ascii(nodeId);
  to.count(session);
  to.count(number);
  to.count(lowestUnanswered);
}

export function readRequest(from: ByteReader): Request {
  const nodeId = from.knownText(nodeIds, NODE_ID_LENGTH_MAX);
  return { nodeId, session: from.count(), number: from.count(), lowestUnanswered: from.count() };
}
