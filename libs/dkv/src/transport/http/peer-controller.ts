/** The routes by which nodes ask each other and post frames: `POST /peer/{kind}`, `POST /peer/post/{lane}`. */
import { Buffer } from 'node:buffer';
import { Body, Controller, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { DkvError } from '../../dkv.errors.js';
import { type PeerService } from '../../ports/controller.js';
import { type PeerObserver } from '../../ports/peer-observer.js';
import { nodeIdIn, otherFormatIn } from '../messages/introduction.js';
import { NODE_HEADER } from '../messages/limits.js';
import { otherSpeaker } from '../tls/bound-names.js';
import { decodePeerRequest, encodePeerReply } from '../messages/peer-codec.js';
import { PEER_CONTENT_TYPE } from './peer-server.js';
import { tellOfRefused } from '../peer-failures.js';
import { type ThrottledLog } from '../throttled-log.js';
import { readPostedBody } from './posted-body.js';

export const PEER_SERVICE = Symbol('DkvPeerService');
export const PEER_BODIES = Symbol('DkvPeerBodies');

export interface PeerBodies {
  /** Of a one-way frame. */
  readonly postBytesMax: number;
  readonly log: ThrottledLog;
  /** Whether a message must be of who sends it. */
  readonly bindsNodeIds: boolean;
  readonly observer: PeerObserver | undefined;
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
  receive(@Req() request: FastifyRequest, @Body() body: unknown): void {
    const bytes = this.bytesOf(request, body);
    const from = nodeIdIn(request.headers);
    if (from === undefined) {
      throw new DkvError('DKV_PROTOCOL', `The header ${NODE_HEADER} must be a node id.`);
    }
    for (const frame of readPostedBody(bytes, this.bodies.postBytesMax)) {
      try {
        this.peers.receive(from, frame);
      } catch (error) {
        // The next frames are not to blame.
        this.bodies.log.error('a frame', `A frame of node ${from} was not taken: ${String(error)}.`);
      }
    }
  }

  /** A Buffer is sent as PEER_CONTENT_TYPE by itself, and an error as JSON: a header set here would be on both. */
  @Post(':kind')
  @HttpCode(200)
  async serve(
    @Req() request: FastifyRequest,
    @Param('kind') kind: string,
    @Body() body: unknown,
  ): Promise<Buffer> {
    const bytes = this.bytesOf(request, body);
    const asked = decodePeerRequest(kind, bytes);
    if (this.bodies.bindsNodeIds && asked.from !== nodeIdIn(request.headers)) {
      throw otherSpeaker(asked.from);
    }
    return encodePeerReply(await this.peers.serve(asked));
  }

  private bytesOf({ headers, ip }: FastifyRequest, body: unknown): Buffer {
    const refusal = otherFormatIn(headers);
    if (refusal) {
      tellOfRefused(this.bodies.observer, nodeIdIn(headers), ip, refusal);
      throw refusal;
    }
    return bytesOf(body);
  }
}

/** An empty body may come as none. */
function bytesOf(body: unknown): Buffer {
  if (body === undefined || body === null) {
    return Buffer.alloc(0);
  }
  if (!Buffer.isBuffer(body)) {
    throw new DkvError('DKV_PROTOCOL', `A message between peers comes as ${PEER_CONTENT_TYPE}.`);
  }
  return body;
}
