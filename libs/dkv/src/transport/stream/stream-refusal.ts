/** Why a peer did not take the stream: what it answered the upgrade instead. */
import { Buffer } from 'node:buffer';
import { type IncomingMessage } from 'node:http';
import { type DkvError } from '../../dkv.errors.js';
import { toPeerError } from '../messages/error-body.js';

const BODY_BYTES_MAX = 16 * 1024;

/** Never rejects: what cannot be read is an error of its own. */
export async function readRefusal(response: IncomingMessage, peer: string): Promise<DkvError> {
  try {
    return toPeerError(response.statusCode ?? 0, JSON.parse(await readBody(response)), peer);
  } catch {
    return toPeerError(response.statusCode ?? 0, undefined, peer);
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) {
      break;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
