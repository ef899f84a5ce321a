/** HTTP for discovery: each request has a time-out and a bounded answer, and redirects are not followed. */
import { Buffer } from 'node:buffer';
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Clock } from '../ports/clock.js';

export interface HttpQuestion {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** `http:` or `https:`, without user and password. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** PEM of whoever signed the server's certificate. Default: the CAs that Node knows. */
  readonly ca?: string;
  /** PEM of the certificate and key that the server is shown. */
  readonly cert?: string;
  readonly key?: string;
  /** From now to the end of the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

export interface DiscoveryHttp {
  /** Resolves with any answer, whatever its status. @throws Error where there is none in time, or it is too large */
  ask(question: HttpQuestion): Promise<HttpAnswer>;
  /**
   * Calls `onLine` with each line of an answer that goes on; resolves when the server has ended it, its time is over or the signal
   * is aborted. What `onLine` throws ends it too, as an error.
   * @throws HttpStatusError where the status is not 2xx; Error where there is no answer, it breaks off or a line is too long
   */
  lines(question: HttpQuestion, onLine: (line: string) => void): Promise<void>;
}

/** An answer that tells of a failure. */
export class HttpStatusError extends Error {
  constructor(
    readonly status: number,
    text: string,
  ) {
    const redirect = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
    super(`it answers with status ${status}${redirect}${text === '' ? '' : `: ${excerptOf(text)}`}`);
  }
}

/** A thousand nodes with all that a service tells of them fit in. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
/** Of a text that is not ours, in an error. */
const EXCERPT_MAX = 200;

/** On `node:http`, since `fetch` takes no CA of one's own, which the API of Kubernetes has. */
export class NodeHttp implements DiscoveryHttp {
  constructor(private readonly clock: Clock) {}

  ask(question: HttpQuestion): Promise<HttpAnswer> {
    return this.exchange(question, (response, done, fail) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > ANSWER_BYTES_MAX) {
          fail(tooLarge('its answer'));
        }
      });
      response.once('end', () => {
        const { statusCode = 0, headers } = response;
        done({ status: statusCode, headers, text: Buffer.concat(chunks).toString('utf8') });
      });
      return new Error(`it did not answer within ${question.timeoutMs} ms`);
    });
  }

  async lines(question: HttpQuestion, onLine: (line: string) => void): Promise<void> {
    let failed: HttpStatusError | undefined;
    await this.exchange<void>(question, (response, done, fail) => {
      const { statusCode = 0 } = response;
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop()!;
        if (rest.length > ANSWER_BYTES_MAX) {
          fail(tooLarge('a line of its answer'));
        } else if (statusCode >= 200 && statusCode < 300) {
          try {
            lines.filter((line) => line.trim() !== '').forEach(onLine);
          } catch (error) {
            fail(error as Error);
          }
        }
      });
      response.once('end', () => {
        failed = statusCode >= 200 && statusCode < 300 ? undefined : new HttpStatusError(statusCode, rest);
        done();
      });
      // That its time is over is how an answer ends that goes on.
      return undefined;
    });
    if (failed) {
      throw failed;
    }
  }

  /** @param receive reads the answer, and tells what it means that its time is over: an error, or undefined for the end */
  private exchange<T>(
    question: HttpQuestion,
    receive: (
      response: IncomingMessage,
      done: (answer: T) => void,
      fail: (error: Error) => void,
    ) => Error | undefined,
  ): Promise<T> {
    const { timeoutMs, signal } = question;
    return new Promise<T>((resolve, reject) => {
      let late: Error | undefined = new Error(`it did not answer within ${timeoutMs} ms`);
      const end = (settle: () => void) => {
        timer.cancel();
        signal?.removeEventListener('abort', abort);
        settle();
        request.destroy();
      };
      const fail = (error: Error) => end(() => reject(error));
      const abort = () =>
        end(() => (late ? reject(new Error('it was not waited for')) : resolve(undefined as T)));
      const timer = this.clock.schedule(timeoutMs, () =>
        end(() => (late ? reject(late) : resolve(undefined as T))),
      );
      const request = requestOf(question);
      request.on('error', fail);
      request.once('response', (response) => {
        response.on('error', fail);
        late = receive(response, (answer) => end(() => resolve(answer)), fail);
      });
      request.end(question.body === undefined ? undefined : JSON.stringify(question.body));
      signal?.addEventListener('abort', abort);
      if (signal?.aborted) {
        abort();
      }
    });
  }
}

/** The answer's JSON. @throws Error where the status is not 2xx, or it is no JSON */
export function jsonOf<T>({ status, text }: HttpAnswer): T {
  if (status < 200 || status > 299) {
    throw new HttpStatusError(status, text);
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new Error(`its answer is no JSON: ${excerptOf(text)}`);
  }
}

function requestOf({ method, url, headers, body, ca, cert, key }: HttpQuestion): ClientRequest {
  const json = body === undefined ? {} : { 'content-type': 'application/json' };
  const options = { method, headers: { accept: 'application/json', ...json, ...headers } };
  return url.protocol === 'https:'
    ? httpsRequest(url, { ...options, ca, cert, key })
    : httpRequest(url, options);
}

function tooLarge(what: string): Error {
  return new Error(`${what} is larger than ${ANSWER_BYTES_MAX} bytes`);
}

function excerptOf(text: string): string {
  // Lines of others must not look like lines of this log.
  const line = text.replace(/[\x00-\x1f\x7f]+/g, ' ').trim();
  return line.length > EXCERPT_MAX ? `${line.slice(0, EXCERPT_MAX)}…` : line;
}
