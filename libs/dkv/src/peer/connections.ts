/** Knows which connections of a server carry a request, so that stopping waits for those and only those. */
import { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Socket } from 'node:net';

/**
 * Node's own closeIdleConnections leaves alone what has not sent a request yet, or but half a header, and no
 * longer times it out once the server is closing: one such connection would hold the process for ever.
 */
export class Connections {
  /** Requests under way on each open connection. */
  private readonly open = new Map<Socket, number>();
  private draining = false;

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => this.opened(socket));
    // Encrypted, requests come on a socket around that one.
    server.on('secureConnection', (socket: Socket) => this.secured(socket));
    // Before the framework's own listener, which may answer at once.
    server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.count(socket, 1);
      response.once('close', () => this.answered(socket));
    });
  }

  /** Leaves a connection that speaks another protocol from now on to those who speak it. */
  release(socket: Socket): void {
    this.open.delete(socket);
  }

  /** Closes connections without a request now, and the others after their answer. */
  drain(): void {
    this.draining = true;
    for (const [socket, requests] of this.open) {
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
    this.open.set(socket, 0);
    socket.once('close', () => this.open.delete(socket));
  }

  private secured(socket: Socket): void {
    for (const inner of this.open.keys()) {
      if (inner.remotePort === socket.remotePort && inner.remoteAddress === socket.remoteAddress) {
        this.open.delete(inner);
      }
    }
    this.opened(socket);
  }

  private answered(socket: Socket): void {
    this.count(socket, -1);
    if (this.draining && this.open.get(socket) === 0) {
      socket.destroySoon();
    }
  }

  private count(socket: Socket, change: number): void {
    const requests = this.open.get(socket);
    if (requests !== undefined) {
      this.open.set(socket, requests + change);
    }
  }
}
