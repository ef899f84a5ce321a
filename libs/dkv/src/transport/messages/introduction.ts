/** How a peer introduces itself in the headers of a request: who it says that it is, and which format it speaks. */
import { type IncomingHttpHeaders } from 'node:http';
import { DkvError } from '../../dkv.errors.js';
import { NODE_ID_PATTERN } from '../../model/version.js';
import { FORMAT_HEADER, NODE_HEADER, PEER_FORMAT } from './limits.js';

/** Undefined where it names no node, or what cannot be a node id. */
export function nodeIdIn(headers: IncomingHttpHeaders): string | undefined {
  const nodeId = headers[NODE_HEADER.toLowerCase()];
  return typeof nodeId === 'string' && NODE_ID_PATTERN.test(nodeId) ? nodeId : undefined;
}

/** Why nothing that it sends is looked at: it speaks another format. */
export function otherFormatIn(headers: IncomingHttpHeaders): DkvError | undefined {
  const format = headers[FORMAT_HEADER.toLowerCase()];
  return format === String(PEER_FORMAT)
    ? undefined
    : new DkvError(
        'DKV_PROTOCOL',
        `This node speaks format ${PEER_FORMAT}, and the peer ${String(format ?? 'named none')}. Run versions of ` +
          `nestjs-dkv that share a format.`,
      );
}
