/** Every error of the application as `{ code, message }`: the store's with their status, the rest without insides. */
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { DkvError, isDkvError } from 'nestjs-dkv';

interface Answer {
  readonly status: number;
  readonly body: object;
}

@Catch()
export class ErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const { status, body } = this.answerOf(error);
    void host.switchToHttp().getResponse<FastifyReply>().status(status).send(body);
  }

  private answerOf(error: unknown): Answer {
    if (isDkvError(error)) {
      return answerOfStore(error);
    }
    if (error instanceof HttpException) {
      return answerOfHttp(error);
    }
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') {
      // A caller that left in the middle of its body: no one is there to answer, nothing here is wrong.
      return answerOfStore(
        new DkvError('DKV_INVALID_ARGUMENT', 'The connection broke before the end of the body.'),
      );
    }
    this.logger.error(`A request failed: ${error instanceof Error ? error.stack : String(error)}`);
    return { status: 500, body: { code: 'INTERNAL', message: 'The request failed; the log says why.' } };
  }
}

function answerOfStore(error: DkvError): Answer {
  return { status: error.status, body: error.toJSON() };
}

/** What is refused before a route is called, and what the health checks answer. */
function answerOfHttp(error: HttpException): Answer {
  const status = error.getStatus();
  const details = error.getResponse();
  if (typeof details === 'object' && 'details' in details) {
    // Terminus reports the checks themselves; probes and people expect its shape.
    return { status, body: details };
  }
  switch (status) {
    case 404:
      return {
        status,
        body: { code: 'ROUTE_NOT_FOUND', message: `There is no such route: ${error.message}.` },
      };
    case 413:
      return answerOfStore(
        new DkvError(
          'DKV_VALUE_TOO_LARGE',
          'The body is larger than any value of 1 MiB can be. Split the value.',
        ),
      );
    default:
      return answerOfStore(new DkvError('DKV_INVALID_ARGUMENT', error.message));
  }
}
