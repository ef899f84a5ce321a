/** What callers of an application are told of an error of the store: its code, and only what is theirs to know. */
import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { type ServerResponse } from 'node:http';
import { type Observable, throwError } from 'rxjs';
import { DkvError, type DkvErrorCode } from './dkv.errors.js';

/** Codes whose message is about the caller's own request. Those of others name nodes, addresses, folders and options. */
const TOLD: ReadonlySet<DkvErrorCode> = new Set<DkvErrorCode>([
  'DKV_INVALID_ARGUMENT',
  'DKV_INVALID_KEY',
  'DKV_VALUE_TOO_LARGE',
  'DKV_UNSUPPORTED',
  'DKV_KEY_NOT_FOUND',
  'DKV_CONFLICT',
  'DKV_LOCK_LOST',
]);

/** What is told instead, by HTTP status. */
const GENERAL: Readonly<Record<number, string>> = {
  400: 'The value cannot be encoded, or what is stored cannot be decoded.',
  499: 'The call was given up.',
  503: 'The store cannot serve this now. Try again later.',
  504: 'The store did not answer in time. A write may have taken effect all the same.',
};
const FAILED = 'The store failed; the log of the application says why.';
/** Statuses of what passes by itself. There can be as many such errors as requests. */
const TRANSIENT = [499, 503, 504];

/**
 * Answers with `{ code, message }`, and in a conflict what is there (as `DkvError.toJSON`):
 *
 * - HTTP (Express, Fastify): under the code's status in `DKV_ERROR_STATUS`;
 * - GraphQL, and other contexts outside of HTTP: throws an error with this `message` and the rest in its `extensions`;
 * - microservices: an observable that fails with `{ status: 'error', code, message }`;
 * - WebSockets: the event `exception`, as Nest's own filter sends it, with the same object.
 *
 * Codes that are not about the caller's request come with a general message. The true one is logged: as an error where only
 * an operator can help, else (499, 503, 504) at level `debug`.
 *
 * Register it with `app.useGlobalFilters(new DkvExceptionFilter())`, or as provider of `APP_FILTER`.
 */
@Catch(DkvError)
export class DkvExceptionFilter implements ExceptionFilter<DkvError> {
  private readonly logger = new Logger(DkvExceptionFilter.name);

  /** @throws Error in a context that is neither HTTP, microservice nor WebSocket */
  catch(error: DkvError, host: ArgumentsHost): Observable<never> | undefined {
    const answer = this.answerTo(error);
    switch (host.getType()) {
      case 'http':
        answerHttp(host.switchToHttp().getResponse<HttpResponse>(), error.status, answer);
        return undefined;
      case 'rpc':
        return throwError(() => ({ status: 'error', ...answer }));
      case 'ws':
        host
          .switchToWs()
          .getClient<WsClient>()
          .emit('exception', { status: 'error', ...answer });
        return undefined;
      default: {
        const { message, ...extensions } = answer;
        throw Object.assign(new Error(message), { extensions });
      }
    }
  }

  private answerTo(error: DkvError): ReturnType<DkvError['toJSON']> {
    if (TOLD.has(error.code)) {
      return error.toJSON();
    }
    const line = `${error.code}: ${error.message}`;
    if (TRANSIENT.includes(error.status)) {
      this.logger.debug(line);
    } else {
      this.logger.error(line, error.stack);
    }
    return { code: error.code, message: GENERAL[error.status] ?? FAILED };
  }
}

/** Of Express or of Fastify; in a middleware under Fastify it is Node's own. */
type HttpResponse =
  ServerResponse | { readonly raw?: ServerResponse; status(code: number): { send(body: object): unknown } };

interface WsClient {
  emit(event: string, data: object): unknown;
}

function answerHttp(response: HttpResponse, status: number, body: object): void {
  const raw = 'raw' in response && response.raw ? response.raw : (response as ServerResponse);
  if (raw.headersSent) {
    // To end it would make half an answer look whole.
    raw.destroy();
  } else if ('status' in response) {
    response.status(status).send(body);
  } else {
    raw.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
  }
}
