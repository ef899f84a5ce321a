/** What keeps certificates from doing between peers, seen by looking at them and said before a peer refuses them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type PeerCertificates, TLS_VERSION_MIN } from './peer-tls.js';

/** What an operator calls the three: options, or the paths of files. */
export type CertificateNames = Readonly<Record<keyof PeerCertificates, string>>;

const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]+-----END \1-----/g;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const PEM = 'give PEM text, or the path of a file as keyFile, certFile, caFile';

/**
 * In words for an operator, empty where nothing is wrong; the key is never in them. What cannot be judged from here is
 * not found fault with: the handshake will judge it.
 */
export function certificateFaults(given: PeerCertificates, names: CertificateNames, nowMs: number): string[] {
  const key = privateKey(given.key);
  const chain = certificates(given.cert);
  const ca = certificates(given.ca);
  const faults: string[] = [];
  if (key === undefined) {
    faults.push(`${names.key} is no private key without a passphrase (it is not shown here): ${PEM}`);
  }
  if (chain === undefined) {
    faults.push(`${names.cert} is no certificate: ${PEM}`);
  }
  if (ca === undefined) {
    faults.push(`${names.ca} is no certificate: ${PEM}`);
  }
  if (!key || !chain || !ca) {
    return faults;
  }
  const wrong = wrongCertificate({ key, chain, ca }, names, nowMs);
  return wrong.length > 0 ? wrong : refusedByNode(given, names);
}

interface Parsed {
  readonly key: KeyObject;
  /** The node's own first. */
  readonly chain: readonly X509Certificate[];
  readonly ca: readonly X509Certificate[];
}

function wrongCertificate({ key, chain, ca }: Parsed, names: CertificateNames, nowMs: number): string[] {
  const own = chain[0]!;
  const cert = `${names.cert} (${nameOf(own)})`;
  const faults: string[] = [];
  if (!own.checkPrivateKey(key)) {
    faults.push(
      `${names.key} is not the key of ${cert}: give the key that it was issued for, and the node's own certificate first`,
    );
  }
  const purposes = own.keyUsage as readonly string[] | undefined;
  if (purposes && !(purposes.includes(SERVER_AUTH) && purposes.includes(CLIENT_AUTH))) {
    faults.push(
      `${cert} is issued for other purposes (${purposes.join(', ')}): nodes connect to each other either way, so it ` +
        `must be for server and client authentication`,
    );
  }
  if (!isCurrent(own, nowMs)) {
    faults.push(`${cert} is valid from ${own.validFrom} to ${own.validTo}: renew it, or set the clock`);
  } else if (!leadsTo(own, chain, ca)) {
    faults.push(
      `${cert} was issued by ${oneLine(own.issuer)}, from which nothing leads to ${names.ca} ` +
        `(${ca.map(nameOf).join('; ')}): give the certificate of the root CA, and in ${names.cert} whatever is between`,
    );
  } else {
    const current = [...chain, ...ca].filter((each) => isCurrent(each, nowMs));
    const stale = [...chain, ...ca].filter((each) => !isCurrent(each, nowMs));
    if (
      !leadsTo(
        own,
        current,
        ca.filter((each) => current.includes(each)),
      )
    ) {
      faults.push(
        `${cert} leads to ${names.ca} by way of ${stale.map(nameOf).join('; ')} alone, not valid at this time: renew it`,
      );
    }
  }
  return faults;
}

/** Whether issuers, each of them among these, lead from `own` to a root of `ca`: what OpenSSL asks for. */
function leadsTo(
  own: X509Certificate,
  chain: readonly X509Certificate[],
  ca: readonly X509Certificate[],
): boolean {
  const known = [...ca, ...chain];
  const seen = [own];
  for (const cert of seen) {
    if (cert.subject === cert.issuer && ca.some(({ raw }) => raw.equals(cert.raw))) {
      return true;
    }
    seen.push(...known.filter((issuer) => !seen.includes(issuer) && isIssuedBy(cert, issuer)));
  }
  return false;
}

function isIssuedBy(cert: X509Certificate, issuer: X509Certificate): boolean {
  if (!cert.checkIssued(issuer)) {
    return false;
  }
  try {
    return cert.verify(issuer.publicKey);
  } catch {
    // A signature of a kind unknown here.
    return true;
  }
}

/** Whatever else OpenSSL will not do with, as a key that is too short. */
function refusedByNode(given: PeerCertificates, { key, cert, ca }: CertificateNames): string[] {
  const { key: ownKey, cert: ownCert, ca: authority } = given;
  try {
    createSecureContext({ key: ownKey, cert: ownCert, ca: authority, minVersion: TLS_VERSION_MIN });
    return [];
  } catch (error) {
    const { code = '', reason = code } = error as { code?: string; reason?: string };
    return [`${key}, ${cert} and ${ca} are refused by OpenSSL (${reason}): issue others`];
  }
}

function privateKey(pem: string | Buffer): KeyObject | undefined {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    return undefined;
  }
}

/** Undefined where it is not one or several of them. */
function certificates(pem: string | Buffer): X509Certificate[] | undefined {
  try {
    return String(pem)
      .match(CERTIFICATE)
      ?.map((text) => new X509Certificate(text));
  } catch {
    return undefined;
  }
}

function isCurrent({ validFrom, validTo }: X509Certificate, nowMs: number): boolean {
  return Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo);
}

/** Its subject, in one line. */
export function nameOf({ subject }: X509Certificate): string {
  return oneLine(subject) || 'no name';
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}
