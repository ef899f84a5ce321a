/** What the stand-ins of discovery services have alike: they answer requests, in the process of a test or on a port. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  type DiscoveryHttp,
  type HttpAnswer,
  type HttpQuestion,
  HttpStatusError,
} from '../../src/discovery/discovery-http.js';
import { type Clock } from '../../src/ports/clock.js';

export interface StandInRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: unknown;
  /** Aborted when nobody waits for the answer any more. */
  readonly gone: AbortSignal;
}

export interface StandInAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Instead of a body: lines, until it resolves. */
  readonly lines?: (push: (line: unknown) => void) => Promise<void>;
}

export interface StandIn {
  handle(request: StandInRequest): Promise<StandInAnswer>;
}

/** How a service fails: nobody listens, nobody answers, it answers with an error, or with what is not of it: HTML, or other JSON. */
export const SERVICE_FAILURES = ['refuses', 'silent', 'error', 'HTML', 'other JSON'] as const;
export type ServiceFailure = (typeof SERVICE_FAILURES)[number];

const WRONG_ANSWERS: Partial<Record<ServiceFailure, HttpAnswer>> = {
  error: { status: 503, headers: {}, text: '{}' },
  HTML: { status: 200, headers: {}, text: '<html>' },
  'other JSON': { status: 200, headers: {}, text: '{"some":"thing"}' },
};

/** The wires between the nodes of a test and one stand-in. */
export class StandInNetwork {
  private failure: ServiceFailure | undefined;
  private epoch = new AbortController();

  constructor(
    private readonly standIn: StandIn,
    private readonly clock: Clock,
  ) {}

  /** From now on it fails so; undefined for not any more. Answers that were under way break off. */
  fail(failure: ServiceFailure | undefined): void {
    this.failure = failure;
    this.disconnect();
  }

  disconnect(): void {
    this.epoch.abort();
    this.epoch = new AbortController();
  }

  /** Of one node. */
  client(): StandInClient {
    return new StandInClient((question, onLine) => this.exchange(question, onLine));
  }

  private async exchange(question: HttpQuestion, onLine?: (line: string) => void): Promise<HttpAnswer> {
    const { url, method, headers = {}, body, timeoutMs, signal } = question;
    const { failure, epoch } = this;
    if (failure === 'refuses') {
      throw new Error(`connect ECONNREFUSED ${url.host}`);
    }
    const wrong = failure && WRONG_ANSWERS[failure];
    if (wrong) {
      if (wrong.status === 200) {
        onLine?.(wrong.text);
      }
      return wrong;
    }
    const gone = new AbortController();
    let isAnswered = false;
    const ending = new Promise<HttpAnswer>((resolve, reject) => {
      const over: HttpAnswer = { status: 200, headers: {}, text: '' };
      const late = () => {
        if (onLine && isAnswered) {
          resolve(over);
        } else {
          reject(new Error(`it did not answer within ${timeoutMs} ms`));
        }
      };
      const timer = this.clock.schedule(timeoutMs, late);
      const until = { signal: gone.signal };
      gone.signal.addEventListener('abort', () => timer.cancel());
      signal?.addEventListener('abort', late, until);
      epoch.signal.addEventListener('abort', () => reject(new Error('socket hang up')), until);
      if (signal?.aborted) {
        late();
      }
    });
    const lower = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    const answering = async (): Promise<HttpAnswer> => {
      if (failure === 'silent') {
        return ending;
      }
      const { status, lines, ...answer } = await this.standIn.handle({
        method,
        path: decodeURIComponent(url.pathname),
        query: url.searchParams,
        headers: lower,
        body: body === undefined ? undefined : (JSON.parse(JSON.stringify(body)) as unknown),
        gone: gone.signal,
      });
      isAnswered = true;
      await lines?.((line) => {
        if (!gone.signal.aborted) {
          onLine?.(JSON.stringify(line));
        }
      });
      return { status, headers: answer.headers ?? {}, text: JSON.stringify(answer.body ?? null) };
    };
    try {
      return await Promise.race([answering(), ending]);
    } finally {
      gone.abort();
    }
  }
}

type Exchange = (question: HttpQuestion, onLine?: (line: string) => void) => Promise<HttpAnswer>;

export class StandInClient implements DiscoveryHttp {
  private isCut = false;
  private readonly ended = new AbortController();

  constructor(private readonly exchange: Exchange) {}

  /** The node's process is no more. */
  cut(): void {
    this.isCut = true;
    this.ended.abort();
  }

  async ask(question: HttpQuestion): Promise<HttpAnswer> {
    return this.send(question);
  }

  async lines(question: HttpQuestion, onLine: (line: string) => void): Promise<void> {
    const { status, text } = await this.send(question, onLine);
    if (status !== 200) {
      throw new HttpStatusError(status, text);
    }
  }

  private async send(question: HttpQuestion, onLine?: (line: string) => void): Promise<HttpAnswer> {
    if (this.isCut) {
      throw new Error('This process is no more.');
    }
    const signals = [this.ended.signal, ...(question.signal ? [question.signal] : [])];
    return this.exchange({ ...question, signal: AbortSignal.any(signals) }, onLine);
  }
}

/** Resolves when one of `waiting` is called, which this is among until then, or nobody waits for an answer any more. */
export function awakened(waiting: Set<() => void>, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      waiting.delete(wake);
      gone.removeEventListener('abort', wake);
      resolve();
    };
    waiting.add(wake);
    gone.addEventListener('abort', wake);
  });
}

/** The stand-in on a free port of loopback, unless one is given. The caller closes the server. */
export async function serveStandIn(standIn: StandIn, port = 0): Promise<Server> {
  const server = createServer((request, response) => {
    respond(standIn, request, response).catch((error: Error) => response.destroy(error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

/** To a request of a server. */
export async function respond(
  standIn: StandIn,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const body = await text(request);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const { status, headers, lines, ...answer } = await standIn.handle({
    method: request.method ?? 'GET',
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    headers: request.headers as Record<string, string>,
    body: body === '' ? undefined : (JSON.parse(body) as unknown),
    gone: gone.signal,
  });
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  if (lines) {
    response.flushHeaders();
    await lines((line) => response.write(`${JSON.stringify(line)}\n`));
    response.end();
  } else {
    response.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
  }
}
