/** The keys of the peer port, and what each of them opens. */
import { type IncomingHttpHeaders } from 'node:http';
import { DkvError } from '../../dkv.errors.js';
import { ADMIN_KEY_HEADER, API_KEY_HEADER } from '../messages/limits.js';
import { KeyHeader } from './key-header.js';

const ADMIN_PATH = /^\/admin(?:[/?]|$)/;
const KV_PATH = /^\/kv(?:[/?]|$)/;

/** Of peers: one, or two while they are changed, of which the first is sent and both are taken; '' for none. */
export type ApiKey = string | readonly [string, string];

export function keysOf(apiKey: ApiKey): readonly string[] {
  return typeof apiKey === 'string' ? [apiKey].filter((key) => key !== '') : apiKey;
}

/**
 * The api key, of peers and scripts, opens all but `/admin`; the admin key, of operators, opens `/admin` and `/kv`. Without
 * a key of its own `/admin` is closed.
 */
export class PortKeys {
  private readonly api: KeyHeader;
  private readonly admin: KeyHeader | undefined;

  /** `adminKey`: '' for none. `isOpen`: everybody is taken for a peer. */
  constructor(
    apiKey: ApiKey,
    adminKey = '',
    private readonly isOpen = false,
  ) {
    this.api = new KeyHeader(API_KEY_HEADER, keysOf(apiKey));
    this.admin = adminKey ? new KeyHeader(ADMIN_KEY_HEADER, [adminKey]) : undefined;
  }

  /** Whether one of the keys was shown, whatever it opens: whoever has one is no stranger. */
  isKnown(headers: IncomingHttpHeaders): boolean {
    return this.isPeer(headers) || this.isOperator(headers);
  }

  isPeer(headers: IncomingHttpHeaders): boolean {
    return this.isOpen || this.api.isRightIn(headers);
  }

  /** Why the path is closed to a request with these headers; undefined where it is open. */
  refusalOf(path: string, headers: IncomingHttpHeaders): DkvError | undefined {
    if (ADMIN_PATH.test(path)) {
      return this.isOperator(headers) ? undefined : this.notOperator();
    }
    const isForBoth = this.admin !== undefined && KV_PATH.test(path);
    if (this.isPeer(headers) || (isForBoth && this.isOperator(headers))) {
      return undefined;
    }
    return forbidden(isForBoth ? `${API_KEY_HEADER} or ${ADMIN_KEY_HEADER}` : API_KEY_HEADER);
  }

  private isOperator(headers: IncomingHttpHeaders): boolean {
    return this.admin?.isRightIn(headers) === true;
  }

  private notOperator(): DkvError {
    return this.admin
      ? forbidden(ADMIN_KEY_HEADER)
      : new DkvError(
          'DKV_FORBIDDEN',
          'This node serves nothing below /admin: it was given no option adminKey.',
        );
  }
}

export function forbidden(header: string): DkvError {
  return new DkvError('DKV_FORBIDDEN', `The header ${header} is missing or wrong.`);
}
