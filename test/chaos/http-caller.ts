/** Requests to one node over kept connections: an answer, a refusal at the door, or a break that says nothing. */
import { Agent, request } from 'node:http';

/** Fields of the demo's answers that the clients look at. */
export interface AnswerBody {
  readonly code?: string;
  readonly message?: string;
  readonly value?: unknown;
  readonly version?: string;
  readonly removed?: boolean;
  readonly token?: string;
  readonly fencing?: number | string;
}

export type Reply =
  | { readonly kind: 'answer'; readonly status: number; readonly body: AnswerBody }
  /** Nobody listened: the request was not sent. */
  | { readonly kind: 'refused' }
  /** The connection broke or the time was over: it may have been done, or may yet be. */
  | { readonly kind: 'broken' };

export interface RequestParts {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** Longer than a healthy store ever takes, shorter than its own limit: clients do give up first in real life. */
const TIMEOUT_MS = 5_000;
const SOCKETS_MAX = 256;
const NOT_SENT = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);

export class HttpCaller {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX, scheduling: 'lifo' });

  constructor(
    private readonly host: string,
    private readonly port: number,
  ) {}

  send(
    method: string,
    path: string,
    { body, headers, timeoutMs = TIMEOUT_MS }: RequestParts = {},
  ): Promise<Reply> {
    return new Promise((resolve) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const { host, port, agent } = this;
      // Node counts no bytes of a DELETE by itself, and the server would take the body for the next request.
      const json =
        text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) };
      const sent = request(
        { host, port, agent, method, path, headers: { ...json, ...headers } },
        (response) => {
          let answered = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (answered += chunk));
          response.once('error', () => settle({ kind: 'broken' }));
          response.once('end', () =>
            settle({ kind: 'answer', status: response.statusCode ?? 0, body: parsed(answered) }),
          );
        },
      );
      const timer = setTimeout(() => sent.destroy(new Error('The time is over.')), timeoutMs);
      const settle = (reply: Reply) => {
        clearTimeout(timer);
        resolve(reply);
      };
      sent.once('error', (error: NodeJS.ErrnoException) =>
        settle({ kind: NOT_SENT.has(error.code ?? '') ? 'refused' : 'broken' }),
      );
      sent.once('close', () => settle({ kind: 'broken' }));
      sent.end(text);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

function parsed(text: string): AnswerBody {
  try {
    return JSON.parse(text) as AnswerBody;
  } catch {
    return {};
  }
}
