/** The routes by which nodes ask each other: `POST /peer/{kind}`. */
import { Body, Controller, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { type PeerService } from '../ports/controller.js';
import { decodePeerRequest, encodePeerReply } from '../wire/peer-codec.js';

export const PEER_SERVICE = Symbol('DkvPeerService');

@Controller('peer')
export class PeerController {
  constructor(@Inject(PEER_SERVICE) private readonly peers: PeerService) {}

  @Post(':kind')
  @HttpCode(200)
  async serve(@Param('kind') kind: string, @Body() body: unknown): Promise<object> {
    return encodePeerReply(await this.peers.serve(decodePeerRequest(kind, body)));
  }
}
