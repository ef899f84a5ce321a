/** The peer port's certificates: asked of every peer, and renewed without a restart. */
import { constants } from 'node:crypto';
import { type Server } from 'node:http';
import { type Socket } from 'node:net';
import {
  type SecureContextOptions,
  type Server as TlsServer,
  type TlsOptions,
  type TLSSocket,
} from 'node:tls';
import { type Logger } from '../../ports/logger.js';
import { type PeerObserver } from '../../ports/peer-observer.js';
import {
  currentTls,
  type PeerCertificates,
  type PeerTls,
  noteHandshakeFault,
  TLS_REMEDY,
  TLS_VERSION_MIN,
} from './peer-tls.js';

/** Node's default of two minutes lets a stranger hold a socket as long. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A peer without a certificate of the CA gets nowhere. */
export function serverTlsOptions(tls: PeerTls): TlsOptions {
  return {
    ...contextOf(currentTls(tls)),
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  };
}

/** Looks at `tls` before every new connection; what cannot be used is logged and the last good one kept. */
export function renewCertificates(server: Server, tls: PeerTls, logger: Logger): void {
  if (typeof tls !== 'function') {
    return;
  }
  let last = currentTls(tls);
  // Before the server's own listener, which takes the certificates for this connection.
  server.prependListener('connection', () => {
    try {
      const next = currentTls(tls);
      if (!isSame(last, next)) {
        (server as unknown as TlsServer).setSecureContext(contextOf(next));
        last = next;
      }
    } catch (error) {
      logger.error(`The certificates of the peer port could not be renewed: ${String(error)}`);
    }
  });
}

/** Tells of who was turned away before any request could be read. */
export function tellOfFailedHandshakes(server: Server, observer: PeerObserver): void {
  // Once looked at, the address can still be told when the connection is gone.
  server.on('connection', (socket: Socket) => void socket.remoteAddress);
  server.on('tlsClientError', (error: Error, socket: TLSSocket & { readonly _parent?: Socket }) => {
    // What is encrypted forgets the address with the connection; the socket below it, which Node keeps here, does not.
    const from = socket._parent?.remoteAddress ?? socket.remoteAddress ?? 'an unknown address';
    const fault = noteHandshakeFault(socket, error);
    if (fault !== undefined) {
      const message = `A connection to the peer port from ${from} was refused: ${fault}. ${TLS_REMEDY}`;
      observer.refused({ peer: from, reason: 'certificate', message });
    }
  });
}

export function isSame(a: PeerCertificates, b: PeerCertificates): boolean {
  return (
    a === b ||
    (String(a.key) === String(b.key) && String(a.cert) === String(b.cert) && String(a.ca) === String(b.ca))
  );
}

function contextOf(certificates: PeerCertificates): SecureContextOptions {
  return {
    ...certificates,
    minVersion: TLS_VERSION_MIN,
    // No session is resumed: that would let in again whose certificate is not taken any more.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
