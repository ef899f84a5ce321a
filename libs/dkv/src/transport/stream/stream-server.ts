/** Lets peers turn a connection of the peer port into a stream of frames: `GET /peer/stream`, upgraded to `dkv-peer`. */
import { Buffer } from 'node:buffer';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { type Socket } from 'node:net';
import { DkvError } from '../../dkv.errors.js';
import { type Clock } from '../../ports/clock.js';
import { type PeerService } from '../../ports/controller.js';
import { type Logger } from '../../ports/logger.js';
import { NO_TELEMETRY, type Telemetry } from '../../ports/telemetry.js';
import { type Disconnects } from '../disconnects.js';
import { type ServerGate } from '../http/peer-server.js';
import { forbidden } from '../http/port-keys.js';
import { type ErrorBody } from '../messages/error-body.js';
import { nodeIdIn, otherFormatIn } from '../messages/introduction.js';
import { impostorFault } from '../tls/bound-names.js';
import { tellOfRefused } from '../peer-failures.js';
import { ThrottledLog } from '../throttled-log.js';
import {
  API_KEY_HEADER,
  FORMAT_HEADER,
  LANE_HEADER,
  NODE_HEADER,
  PEER_FORMAT,
  postBytesMax,
  replyBytesMax,
  requestBytesMax,
} from '../messages/limits.js';
import { STREAM_PATH, STREAM_PROTOCOL } from './frame-layout.js';
import { afterThisTurn, type Defer } from './frame-sender.js';
import { type SessionSettings, StreamSession } from './stream-session.js';

export interface StreamServerOptions {
  readonly valueBytesMax: number;
  /**
   * Bytes of one peer's requests that are not answered and of answers that it has not read, past which nothing more
   * is read from it. Raising it costs as much memory for each peer. Default 64 MiB, or four of the largest requests.
   */
  readonly underWayBytesMax?: number;
  /**
   * The same of all peers together, past which a peer with more than the largest request is not read from. Raising it lets more
   * of them be slow at a time. Default: as of four peers.
   */
  readonly allUnderWayBytesMax?: number;
  /** A silent connection is asked for a sign of life after one to two of these and cut one later. Default 2 s. */
  readonly keepAliveMs?: number;
  readonly defer?: Defer;
  /** Told when the live connection that a peer made ends. */
  readonly disconnects?: Disconnects;
  readonly telemetry?: Telemetry;
}

interface Refusal {
  readonly status: number;
  readonly body: ErrorBody;
}

/** As metrics name it. */
const UPGRADE_ROUTE = `GET ${STREAM_PATH}`;

export class StreamServer {
  private readonly sessions = new Set<StreamSession>();
  /** The live one of each node that was made last. */
  private readonly live = new Map<string, StreamSession>();
  private readonly settings: SessionSettings;
  private readonly disconnects: Disconnects | undefined;

  constructor(
    peers: PeerService,
    clock: Clock,
    logger: Logger,
    private readonly gate: ServerGate,
    options: StreamServerOptions,
  ) {
    const { valueBytesMax, keepAliveMs = 2000, defer = afterThisTurn } = options;
    const requestMax = requestBytesMax(valueBytesMax);
    const { underWayBytesMax = Math.max(64 * 1024 * 1024, 4 * requestMax) } = options;
    const { allUnderWayBytesMax = 4 * underWayBytesMax } = options;
    this.disconnects = options.disconnects;
    this.settings = {
      peers,
      clock,
      log: new ThrottledLog(logger, clock),
      telemetry: options.telemetry ?? NO_TELEMETRY,
      defer,
      requestBytesMax: requestMax,
      replyBytesMax: replyBytesMax(valueBytesMax),
      postBytesMax: postBytesMax(valueBytesMax),
      underWayBytesMax,
      freeBytes: Math.min(requestMax, underWayBytesMax / 4),
      isRoomLeft: () => this.heldBytes < allUnderWayBytesMax,
      keepAliveMs,
      bindsNodeIds: gate.bindsNodeIds ?? false,
    };
  }

  /** Takes over a request to upgrade, or refuses it; `release` is called for a socket that is a stream from now on. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer, release: (socket: Socket) => void): void {
    socket.on('error', () => socket.destroy());
    const refusal = this.refusalOf(request);
    if (refusal) {
      const route = request.url === STREAM_PATH ? UPGRADE_ROUTE : 'other';
      this.settings.telemetry.httpRequest(route, refusal.status, 0);
      refuse(socket, refusal);
      return;
    }
    release(socket);
    socket.setNoDelay(true);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${STREAM_PROTOCOL}\r\n` +
        `${FORMAT_HEADER}: ${PEER_FORMAT}\r\n\r\n`,
    );
    if (head.length > 0) {
      socket.unshift(head);
    }
    const isLive = headerOf(request, LANE_HEADER) === 'live';
    this.accept(socket, headerOf(request, NODE_HEADER)!, isLive);
  }

  /** What all sessions keep in memory for their peers. */
  get heldBytes(): number {
    let bytes = 0;
    for (const session of this.sessions) {
      bytes += session.heldBytes;
    }
    return bytes;
  }

  drain(): void {
    this.disconnects?.silence();
    for (const session of this.sessions) {
      session.drain();
    }
  }

  destroyAll(): void {
    this.disconnects?.silence();
    for (const session of this.sessions) {
      session.destroy();
    }
  }

  private accept(socket: Socket, from: string, isLive: boolean): void {
    const session = new StreamSession(socket, from, this.settings, () => {
      this.sessions.delete(session);
      this.settings.telemetry.streamsOpen(-1);
      if (isLive) {
        if (this.live.get(from) === session) {
          this.live.delete(from);
        }
        this.disconnects?.tell(from);
      }
    });
    this.sessions.add(session);
    this.settings.telemetry.streamsOpen(1);
    this.settings.telemetry.httpRequest(UPGRADE_ROUTE, 101, 0);
    if (isLive) {
      // A node has one: whether it was noticed here or not, it has lost the one before.
      this.live.get(from)?.destroy();
      this.live.set(from, session);
    }
  }

  private refusalOf(request: IncomingMessage): Refusal | undefined {
    if (!this.gate.keys.isPeer(request.headers)) {
      return this.refused(request, forbidden(API_KEY_HEADER));
    }
    const impostor = this.gate.bindsNodeIds && impostorFault(request.headers, request.socket);
    if (impostor) {
      return this.refused(request, impostor);
    }
    if (this.gate.stopping) {
      return refusal(new DkvError('DKV_NOT_READY', 'The node is closing.'));
    }
    if (request.url !== STREAM_PATH || request.headers.upgrade?.toLowerCase() !== STREAM_PROTOCOL) {
      // No DkvError code on purpose, as of any unknown route.
      const message = `Only ${STREAM_PATH} can be upgraded, to ${STREAM_PROTOCOL}.`;
      return { status: 404, body: { code: 'ROUTE_NOT_FOUND', message } };
    }
    const format = otherFormatIn(request.headers);
    return format ? this.refused(request, format) : refusalOfPeer(request);
  }

  private refused(request: IncomingMessage, error: DkvError): Refusal {
    const { headers, socket } = request;
    tellOfRefused(this.gate.observer, nodeIdIn(headers), socket.remoteAddress, error);
    return refusal(error);
  }
}

function refusalOfPeer(request: IncomingMessage): Refusal | undefined {
  const lane = headerOf(request, LANE_HEADER);
  if (nodeIdIn(request.headers) === undefined || (lane !== 'live' && lane !== 'bulk')) {
    const message = `The header ${NODE_HEADER} must be a node id, and ${LANE_HEADER} live or bulk.`;
    return refusal(new DkvError('DKV_PROTOCOL', message));
  }
  return undefined;
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name.toLowerCase()];
  return typeof value === 'string' ? value : undefined;
}

function refusal(error: DkvError): Refusal {
  return { status: error.status, body: error.toJSON() };
}

function refuse(socket: Socket, { status, body }: Refusal): void {
  const json = JSON.stringify(body);
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(json)}\r\nConnection: close\r\n\r\n${json}`,
  );
}
