/** What nodes show each other when their connections are encrypted, and what an operator reads when it does not do. */
import { type TLSSocket } from 'node:tls';

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

/** What OpenSSL says, in its own words: the code is another one when something was being written. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/:(http request|wrong version number):/, 'it does not encrypt'],
  [/:peer did not return a certificate:/, 'it shows no certificate'],
  [/:unsupported protocol:/, 'its TLS is older than 1.3'],
];

/** What an operator reads behind a fault. */
export const TLS_REMEDY = 'Give every node the option tls, with certificates of one CA.';

/** What was wrong with a handshake, by its error: whoever is given the error, as a cause of another, finds it. */
const faults = new WeakMap<Error, string>();

/** Looks at a handshake that failed; undefined where it is no matter of TLS. A clause for people. */
export function noteHandshakeFault(socket: TLSSocket, error: Error): string | undefined {
  const fault = reasonOf(socket, error);
  if (fault !== undefined) {
    faults.set(error, fault);
  }
  return fault;
}

/** The fault that was noted of the error, or of what caused it. */
export function handshakeFaultOf(error: Error): string | undefined {
  const { cause } = error;
  return faults.get(error) ?? (cause instanceof Error ? handshakeFaultOf(cause) : undefined);
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
