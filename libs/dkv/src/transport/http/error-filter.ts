/** Every error of the peer port as `{ code, message }`: ours with their code, the rest without their insides. */
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, HttpStatus } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type IncomingMessage } from 'node:http';
import { DkvError, isDkvError } from '../../dkv.errors.js';
import { stackInLine } from '../../model/one-line.js';
import { type ErrorBody } from '../messages/error-body.js';
import { type ThrottledLog } from '../throttled-log.js';

export interface ErrorAnswer {
  readonly status: number;
  readonly body: ErrorBody;
}

/** Read by nobody: the caller is gone. */
const HUNG_UP = new DkvError('DKV_INVALID_ARGUMENT', 'The caller hung up before its request was there.');

/** Whether the error is that the caller did not finish its request, which is no defect of this node. */
function isHangUp(error: unknown, request: IncomingMessage): boolean {
  return request.readableAborted && (error as Partial<NodeJS.ErrnoException>).code === 'ECONNRESET';
}

@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly log: ThrottledLog) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const { raw } = host.switchToHttp().getRequest<FastifyRequest>();
    const { status, body } = answerOf(isHangUp(error, raw) ? HUNG_UP : error, this.log);
    void host.switchToHttp().getResponse<FastifyReply>().status(status).send(body);
  }
}

/**
 * The answer to a request that ended in `error`. `ROUTE_NOT_FOUND` and `INTERNAL` are no DkvError codes on
 * purpose: to a peer that meets them the answer is not of the protocol.
 */
export function answerOf(error: unknown, log: ThrottledLog): ErrorAnswer {
  if (isDkvError(error)) {
    return { status: error.status, body: error.toJSON() };
  }
  if (error instanceof HttpException) {
    return answerOfHttp(error.getStatus(), error.message);
  }
  log.error('a request that failed', `A request on the peer port failed: ${stackInLine(error)}`);
  return {
    status: HttpStatus.INTERNAL_SERVER_ERROR,
    body: { code: 'INTERNAL', message: 'The request failed; the log of the node says why.' },
  };
}

/** What the framework refuses before a route is called: no such route, a body too large or malformed. */
function answerOfHttp(status: number, message: string): ErrorAnswer {
  if (status === 404) {
    return {
      status: 404,
      body: { code: 'ROUTE_NOT_FOUND', message: `The peer port has no route: ${message}.` },
    };
  }
  const error =
    status === 413
      ? new DkvError('DKV_VALUE_TOO_LARGE', 'The body is larger than valueBytesMax allows.')
      : new DkvError('DKV_INVALID_ARGUMENT', message);
  return { status: error.status, body: error.toJSON() };
}
