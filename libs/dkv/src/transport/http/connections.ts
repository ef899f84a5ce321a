/** Knows the connections of the peer port: how many there are, who showed a key, and which carry a request. */
import { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Socket } from 'node:net';
import { type Clock, type Timer } from '../../ports/clock.js';
import { type ConnectionLimits } from './connection-limits.js';
import { type PortKeys } from './port-keys.js';

interface Connection {
  /** Under way. */
  requests: number;
  /** Of one that has shown no key. */
  timer: Timer | undefined;
}

/**
 * Node's own closeIdleConnections leaves alone what has not sent a request yet, or but half a header, and no
 * longer times it out once the server is closing: one such connection would hold the process for ever.
 *
 * A stranger may open connections as fast as it likes: those without a key have a short time and few places, and a
 * new one takes the place of the oldest, since a peer shows its key with its first bytes.
 */
export class Connections {
  /** Every open connection that is not a stream. */
  private readonly open = new Map<Socket, Connection>();
  /** The oldest first. */
  private readonly keyless = new Set<Socket>();
  private draining = false;

  constructor(
    server: Server,
    private readonly keys: Pick<PortKeys, 'isKnown'>,
    private readonly clock: Clock,
    private readonly limits: ConnectionLimits,
  ) {
    // Streams included: it counts what is open, whatever is spoken.
    server.maxConnections = limits.max;
    server.on('connection', (socket: Socket) => this.opened(socket));
    // Encrypted, requests come on a socket around that one.
    server.on('secureConnection', (socket: Socket) => this.secured(socket));
    // Before the framework's own listener, which may answer at once.
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      this.begun(request);
      response.once('close', () => this.answered(request.socket));
    });
  }

  /** Leaves a connection that speaks another protocol from now on, and has shown the key, to those who speak it. */
  release(socket: Socket): void {
    this.forget(socket);
  }

  /** Closes connections without a request now, and the others after their answer. */
  drain(): void {
    this.draining = true;
    for (const [socket, { requests }] of this.open) {
      if (requests === 0) {
        socket.destroy();
      }
    }
  }

  destroyAll(): void {
    for (const socket of this.open.keys()) {
      socket.destroy();
    }
  }

  private opened(socket: Socket): void {
    if (this.draining) {
      socket.destroy();
      return;
    }
    const [oldest] = this.keyless;
    if (oldest && this.keyless.size >= this.limits.keylessMax) {
      this.forget(oldest);
      oldest.destroy();
    }
    const timer = this.clock.schedule(this.limits.keylessTimeoutMs, () => {
      this.forget(socket);
      socket.destroy();
    });
    this.open.set(socket, { requests: 0, timer });
    this.keyless.add(socket);
    socket.once('close', () => this.forget(socket));
  }

  private secured(socket: Socket): void {
    for (const inner of this.open.keys()) {
      if (inner.remotePort === socket.remotePort && inner.remoteAddress === socket.remoteAddress) {
        this.forget(inner);
      }
    }
    this.opened(socket);
  }

  private begun({ socket, headers }: IncomingMessage): void {
    const connection = this.open.get(socket);
    if (!connection) {
      return;
    }
    connection.requests++;
    // Looked at until it was right once: it is compared in some 2 µs.
    if (connection.timer && this.keys.isKnown(headers)) {
      this.known(socket, connection);
    }
  }

  private answered(socket: Socket): void {
    const connection = this.open.get(socket);
    if (connection) {
      connection.requests--;
      if (this.draining && connection.requests === 0) {
        socket.destroySoon();
      }
    }
  }

  private known(socket: Socket, connection: Connection): void {
    connection.timer?.cancel();
    connection.timer = undefined;
    this.keyless.delete(socket);
  }

  private forget(socket: Socket): void {
    const connection = this.open.get(socket);
    if (connection) {
      this.known(socket, connection);
      this.open.delete(socket);
    }
  }
}
