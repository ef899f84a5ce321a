/** What nodes show each other when their connections are encrypted. */

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

export function currentTls(tls: PeerTls): PeerCertificates {
  const { key, cert, ca } = typeof tls === 'function' ? tls() : tls;
  return { key, cert, ca };
}
