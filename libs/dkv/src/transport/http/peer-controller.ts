/** The routes by which nodes ask each other and post frames: `POST /peer/{kind}`, `POST /peer/post/{lane}`. */
import { Body, Controller, Headers, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { DkvError } from '../../dkv.errors.js';
import { NODE_ID_PATTERN } from '../../model/version.js';
import { type PeerService } from '../../ports/controller.js';
import { type Logger } from '../../ports/logger.js';
import { FORMAT_HEADER, NODE_HEADER, PEER_FORMAT } from '../messages/limits.js';
import { decodePeerRequest, encodePeerReply } from '../messages/peer-codec.js';
import { PEER_CONTENT_TYPE } from './peer-server.js';
import { readPostedBody } from './posted-body.js';

export const PEER_SERVICE = Symbol('DkvPeerService');
export const PEER_BODIES = Symbol('DkvPeerBodies');

export interface PeerBodies {
  /** Of a one-way frame. */
  readonly postBytesMax: number;
  readonly logger: Logger;
}

@Controller('peer')
export class PeerController {
  constructor(
    @Inject(PEER_SERVICE) private readonly peers: PeerService,
    @Inject(PEER_BODIES) private readonly bodies: PeerBodies,
  ) {}

  /** Both lanes: a lane is an order of requests, of which its sender has one under way. */
  @Post('post/:lane')
  @HttpCode(204)
  receive(
    @Headers(FORMAT_HEADER) format: string | undefined,
    @Headers(NODE_HEADER) from: string | undefined,
    @Body() body: unknown,
  ): void {
    const bytes = bytesOf(body, format);
    if (from === undefined || !NODE_ID_PATTERN.test(from)) {
      throw new DkvError('DKV_PROTOCOL', `The header ${NODE_HEADER} must be a node id.`);
    }
    for (const frame of readPostedBody(bytes, this.bodies.postBytesMax)) {
      try {
        this.peers.receive(from, frame);
      } catch (error) {
        // The next frames are not to blame.
        this.bodies.logger.error(`A frame of node ${from} was not taken: ${String(error)}`);
      }
    }
  }

  /** A Buffer is sent as PEER_CONTENT_TYPE by itself, and an error as JSON: a header set here would be on both. */
  @Post(':kind')
  @HttpCode(200)
  async serve(
    @Headers(FORMAT_HEADER) format: string | undefined,
    @Param('kind') kind: string,
    @Body() body: unknown,
  ): Promise<Buffer> {
    return encodePeerReply(await this.peers.serve(decodePeerRequest(kind, bytesOf(body, format))));
  }
}

/** What a peer sent, of the format that this node speaks. An empty body may come as none. */
function bytesOf(body: unknown, format: string | undefined): Buffer {
  if (format !== String(PEER_FORMAT)) {
    throw new DkvError(
      'DKV_PROTOCOL',
      `This node speaks format ${PEER_FORMAT}, and the peer ${format ?? 'named none'}. Run versions of ` +
        `nestjs-dkv that share a format.`,
    );
  }
  if (body === undefined || body === null) {
    return Buffer.alloc(0);
  }
  if (!Buffer.isBuffer(body)) {
    throw new DkvError('DKV_PROTOCOL', `A message between peers comes as ${PEER_CONTENT_TYPE}.`);
  }
  return body;
}
