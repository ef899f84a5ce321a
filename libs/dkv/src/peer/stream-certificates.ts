/** The peer port's certificates: asked of every peer, and renewed without a restart. */
import { type Server } from 'node:http';
import { type Server as TlsServer, type TlsOptions } from 'node:tls';
import { type Logger } from '../ports/logger.js';
import { currentTls, type PeerCertificates, type PeerTls } from '../wire/frames/peer-tls.js';

/** A peer without a certificate of the CA gets nowhere. */
export function serverTlsOptions(tls: PeerTls): TlsOptions {
  return { ...currentTls(tls), requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' };
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
        (server as unknown as TlsServer).setSecureContext({ ...next, minVersion: 'TLSv1.3' });
        last = next;
      }
    } catch (error) {
      logger.error(`The certificates of the peer port could not be renewed: ${String(error)}`);
    }
  });
}

function isSame(a: PeerCertificates, b: PeerCertificates): boolean {
  return (
    String(a.key) === String(b.key) && String(a.cert) === String(b.cert) && String(a.ca) === String(b.ca)
  );
}
