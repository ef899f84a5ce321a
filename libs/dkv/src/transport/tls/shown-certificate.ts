/** The certificate that this node shows its peers, as an operator asks for it. */
import { X509Certificate } from 'node:crypto';
import { nameOf } from './certificate-faults.js';
import { currentTls, type PeerTls } from './peer-tls.js';

export interface ShownCertificate {
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly validTo: number;
}

/** The one that new connections use. */
export function shownCertificate(tls: PeerTls): ShownCertificate {
  const own = new X509Certificate(currentTls(tls).cert);
  return { subject: nameOf(own), validTo: Date.parse(own.validTo) };
}
