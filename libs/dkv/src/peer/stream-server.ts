/** Lets peers turn a connection of the peer port into a stream of frames: `GET /peer/stream` as a WebSocket. */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { type Socket } from 'node:net';
import { type Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { DkvError } from '../dkv.errors.js';
import { type Clock } from '../ports/clock.js';
import { type PeerService } from '../ports/controller.js';
import { type Logger } from '../ports/logger.js';
import { type ErrorBody } from '../wire/error-body.js';
import {
  MESSAGE_BYTES_MAX,
  STREAM_PATH,
  STREAM_PROTOCOL,
  streamReplyBytesMax,
  streamRequestBytesMax,
} from '../wire/frames/frame-layout.js';
import { afterThisTurn, type Defer } from '../wire/frames/frame-sender.js';
import { API_KEY_HEADER } from '../wire/limits.js';
import { type ServerGate } from './peer-server.js';
import { type SessionSettings, StreamSession } from './stream-session.js';

export interface StreamServerOptions {
  readonly valueBytesMax: number;
  /**
   * Bytes of one peer's requests that are not answered and of answers that it has not read, past which nothing more
   * is read from it. Raising it costs as much memory for each peer. Default 64 MiB, or four of the largest requests.
   */
  readonly underWayBytesMax?: number;
  /** A silent connection is asked for a sign of life after one to two of these and cut one later. Default 2 s. */
  readonly keepAliveMs?: number;
  readonly defer?: Defer;
}

interface Refusal {
  readonly status: number;
  readonly body: ErrorBody;
}

export class StreamServer {
  private readonly sessions = new Set<StreamSession>();
  private readonly settings: SessionSettings;
  private readonly webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    skipUTF8Validation: true,
  });

  constructor(
    peers: PeerService,
    clock: Clock,
    logger: Logger,
    private readonly gate: ServerGate,
    { valueBytesMax, underWayBytesMax, keepAliveMs = 2000, defer = afterThisTurn }: StreamServerOptions,
  ) {
    const requestBytesMax = streamRequestBytesMax(valueBytesMax);
    this.settings = {
      peers,
      clock,
      logger,
      defer,
      requestBytesMax,
      replyBytesMax: streamReplyBytesMax(valueBytesMax),
      underWayBytesMax: underWayBytesMax ?? Math.max(64 * 1024 * 1024, 4 * requestBytesMax),
      keepAliveMs,
    };
  }

  /** Takes over a request to upgrade, or refuses it; `release` is called for a socket that is a stream from now on. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, release: (socket: Socket) => void): void {
    socket.on('error', () => socket.destroy());
    const refusal = this.refusalOf(request);
    if (refusal) {
      refuse(socket, refusal);
      return;
    }
    this.webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      release(request.socket);
      this.accept(webSocket);
    });
  }

  drain(): void {
    for (const session of this.sessions) {
      session.drain();
    }
  }

  destroyAll(): void {
    for (const session of this.sessions) {
      session.destroy();
    }
  }

  private accept(webSocket: WebSocket): void {
    const session = new StreamSession(webSocket, this.settings, () => this.sessions.delete(session));
    this.sessions.add(session);
  }

  private refusalOf({ headers, url }: IncomingMessage): Refusal | undefined {
    if (!this.gate.apiKey.matches(headers[API_KEY_HEADER.toLowerCase()])) {
      return refusal(new DkvError('DKV_FORBIDDEN', `The header ${API_KEY_HEADER} is missing or wrong.`));
    }
    if (this.gate.stopping) {
      return refusal(new DkvError('DKV_NOT_READY', 'The node is closing.'));
    }
    if (url !== STREAM_PATH || headers.upgrade?.toLowerCase() !== 'websocket') {
      // No DkvError code on purpose, as of any unknown route.
      const message = `Only ${STREAM_PATH} can be upgraded, to a WebSocket.`;
      return { status: 404, body: { code: 'ROUTE_NOT_FOUND', message } };
    }
    const offered = headers['sec-websocket-protocol'];
    if (!offered?.split(/\s*,\s*/).includes(STREAM_PROTOCOL)) {
      return refusal(
        new DkvError(
          'DKV_PROTOCOL',
          `This node speaks ${STREAM_PROTOCOL}, and the peer ${offered ?? 'named nothing'}. Run versions of ` +
            `nestjs-dkv that share a format.`,
        ),
      );
    }
    return undefined;
  }
}

function refusal(error: DkvError): Refusal {
  return { status: error.status, body: error.toJSON() };
}

function refuse(socket: Duplex, { status, body }: Refusal): void {
  const json = JSON.stringify(body);
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(json)}\r\nConnection: close\r\n\r\n${json}`,
  );
}
