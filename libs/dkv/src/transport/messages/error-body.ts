/** Errors as they travel: `{ code, message }` under the code's HTTP status. */
import { DkvError, isDkvErrorCode } from '../../dkv.errors.js';
import { isObject } from '../../dkv.validation.js';

const MESSAGE_LENGTH_MAX = 2000;

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
}

/**
 * The error that a peer answered: its own code and message, or `DKV_PROTOCOL` when the body is none of ours
 * or has a code that this version does not know.
 */
export function toPeerError(status: number, body: unknown, peer: string): DkvError {
  if (!isObject(body) || typeof body.code !== 'string' || typeof body.message !== 'string') {
    return new DkvError(
      'DKV_PROTOCOL',
      `${peer} answered with HTTP status ${status} and no error of this protocol. Is its port the peer port ` +
        `of a node?`,
    );
  }
  const message = body.message.slice(0, MESSAGE_LENGTH_MAX);
  if (!isDkvErrorCode(body.code)) {
    return new DkvError(
      'DKV_PROTOCOL',
      `${peer} answered with HTTP status ${status} and the unknown code ` +
        `${JSON.stringify(body.code.slice(0, 80))}: ${message}`,
    );
  }
  return new DkvError(body.code, message);
}
