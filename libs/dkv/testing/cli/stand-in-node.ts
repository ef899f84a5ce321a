/** A peer port for tests of `dkv`: it answers as it is told, notes what was asked, and can keep a caller waiting. */
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { type TlsOptions } from 'node:tls';

export const ADMIN_KEY = 'the admin key of the tests';

export interface StandInAnswer {
  readonly status?: number;
  /** Sent as JSON; a string as it is; none without it. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `hold`: no answer comes. `break`: the connection ends instead of one. */
export type StandInReply = StandInAnswer | 'hold' | 'break';

export interface RecordedRequest {
  readonly method: string;
  readonly url: string;
  readonly key: string | undefined;
  /** Of its JSON; undefined without a body. */
  readonly body: unknown;
}

export class StandInNode {
  readonly requests: RecordedRequest[] = [];
  /** What it answers, by method and path without the query: `GET /admin/cluster`. Of several, each once, and the last one then. */
  readonly replies: Record<string, StandInReply | readonly StandInReply[]> = {};
  private readonly server: Server;
  private onRequest: (() => void) | undefined;

  constructor(private readonly tls?: TlsOptions) {
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      void this.answer(request, response);
    this.server = tls ? createHttpsServer(tls, answer) : createHttpServer(answer);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  /** On a free port of the loopback. */
  async start(): Promise<this> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    return this;
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  /** Whatever is under way. */
  endConnections(): void {
    this.server.closeAllConnections();
  }

  /** When the next request has come. */
  nextRequest(): Promise<void> {
    return new Promise((resolve) => (this.onRequest = resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) {
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString();
    const key = headers['x-admin-key'] as string | undefined;
    this.requests.push({ method, url, key, body: text === '' ? undefined : (JSON.parse(text) as unknown) });
    const reply = key === ADMIN_KEY ? this.replyTo(`${method} ${url.split('?')[0]}`) : WRONG_KEY;
    if (reply === 'break') {
      request.socket.destroy();
    } else if (reply !== 'hold') {
      const { status = 200, body, headers: own } = reply;
      response.writeHead(status, { 'Content-Type': 'application/json', ...own });
      response.end(typeof body === 'string' ? body : body && JSON.stringify(body));
    }
    this.onRequest?.();
  }

  private replyTo(route: string): StandInReply {
    const known = this.replies[route] ?? NO_ROUTE;
    if (!isSeveral(known)) {
      return known;
    }
    const [next = NO_ROUTE, ...later] = known;
    this.replies[route] = later.length > 0 ? later : next;
    return next;
  }
}

function isSeveral(reply: StandInReply | readonly StandInReply[]): reply is readonly StandInReply[] {
  return Array.isArray(reply);
}

const NO_ROUTE: StandInAnswer = {
  status: 404,
  body: { code: 'ROUTE_NOT_FOUND', message: 'The peer port has no route: Cannot GET this.' },
};
const WRONG_KEY: StandInAnswer = {
  status: 403,
  body: { code: 'DKV_FORBIDDEN', message: 'The header X-Admin-Key is missing or wrong.' },
};
