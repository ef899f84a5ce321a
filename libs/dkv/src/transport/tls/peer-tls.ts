/** What nodes show each other when their connections are encrypted, and what an operator reads when it does not do. */
import { type TLSSocket } from 'node:tls';
import { type Clock } from '../../ports/clock.js';
import { type Logger } from '../../ports/logger.js';

export interface PeerCertificates {
  /** PEM. */
  readonly key: string | Buffer;
  /** PEM, with what leads from it to the CA. */
  readonly cert: string | Buffer;
  /** PEM: certificates of it, and no others, are taken from peers. */
  readonly ca: string | Buffer;
}

/** A function is asked at every new connection, either way: it can give renewed ones, and must be quick. */
export type PeerTls = PeerCertificates | (() => PeerCertificates);

/** Both ends are this library, or a script that can choose: nothing older needs to be understood. */
export const TLS_VERSION_MIN = 'TLSv1.3';

export function currentTls(tls: PeerTls): PeerCertificates {
  const { key, cert, ca } = typeof tls === 'function' ? tls() : tls;
  return { key, cert, ca };
}

const WARN_EVERY_MS = 10_000;
/** What OpenSSL says, in its own words: the code is another one when something was being written. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/:(http request|wrong version number):/, 'it does not encrypt'],
  [/:peer did not return a certificate:/, 'it shows no certificate'],
  [/:unsupported protocol:/, 'its TLS is older than 1.3'],
];

/** Says why handshakes fail, not for every one of them: a peer tries again all the time, and so may a stranger. */
export class HandshakeLog {
  private readonly warnedAtMs = new Map<string, number>();

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** `where` begins the sentence and is what is told of at most once in ten seconds. */
  failed(where: string, socket: TLSSocket, error: Error): void {
    const why = reasonOf(socket, error);
    const now = this.clock.monotonic();
    const last = this.warnedAtMs.get(where);
    if (why === undefined || (last !== undefined && now - last <= WARN_EVERY_MS)) {
      return;
    }
    if (this.warnedAtMs.size >= 1000) {
      this.warnedAtMs.clear();
    }
    this.warnedAtMs.set(where, now);
    this.logger.warn(`${where}: ${why}. Give every node the option tls, with certificates of one CA.`);
  }
}

/** Undefined for what is no matter of TLS: a connection that breaks, a probe that hangs up. */
function reasonOf({ authorizationError }: TLSSocket, error: Error): string | undefined {
  if (authorizationError) {
    return `its certificate is not accepted (${String(authorizationError)})`;
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (!/^(EPROTO$|ERR_SSL_)/.test(code)) {
    return undefined;
  }
  const [, reason] = REASONS.find(([pattern]) => pattern.test(error.message)) ?? [];
  return reason ?? `the handshake failed (${code})`;
}
