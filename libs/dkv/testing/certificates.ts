/** Certificates for tests, made in a millisecond each: of a CA, of another one, run out, for one purpose alone. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { type PeerCertificates } from '../src/transport/tls/peer-tls.js';

export interface Issued {
  readonly name: string;
  /** PEM. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
}

export interface IssueOptions {
  /** Signs it; without one it signs itself. */
  readonly issuer?: Issued;
  /** Whether it may sign others. Default: if it signs itself. */
  readonly isCa?: boolean;
  /** `YYYYMMDD`. Default: 2020. */
  readonly from?: string;
  /** `YYYYMMDD`. Default: 2100. */
  readonly until?: string;
  /** What it is for and for nothing else. Default: whatever it is used for. */
  readonly purposes?: readonly (keyof typeof PURPOSES)[];
}

const [SEQUENCE, SET, INTEGER, BITS, OCTETS, UTF8, TIME] = [0x30, 0x31, 2, 3, 4, 12, 24] as const;
const [VERSION, EXTENSIONS] = [0xa0, 0xa3] as const;
const PURPOSES = { server: '06082b06010505070301', client: '06082b06010505070302' } as const;

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), body]);
};
const hex = (digits: string) => Buffer.from(digits, 'hex');
const time = (day: string) => der(TIME, Buffer.from(`${day}000000Z`));
const nameOf = (name: string) =>
  der(SEQUENCE, der(SET, der(SEQUENCE, hex('0603550403'), der(UTF8, Buffer.from(name)))));

const ECDSA_SHA256 = der(SEQUENCE, hex('06082a8648ce3d040302'));
const MAY_SIGN = der(SEQUENCE, hex('0603551d130101ff'), der(OCTETS, hex('30030101ff')));

let serial = 0;

/** A key on P-256 and its certificate for `name`. */
export function issue(name: string, options: IssueOptions = {}): Issued {
  const { issuer, isCa = !issuer, from = '20200101', until = '21000101', purposes } = options;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const ids = purposes?.map((purpose) => hex(PURPOSES[purpose])) ?? [];
  const extensions = [
    ...(isCa ? [MAY_SIGN] : []),
    ...(ids.length > 0 ? [der(SEQUENCE, hex('0603551d25'), der(OCTETS, der(SEQUENCE, ...ids)))] : []),
  ];
  const body = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, Buffer.of(2))),
    der(INTEGER, Buffer.of(1, ++serial >> 8, serial & 0xff)),
    ECDSA_SHA256,
    nameOf(issuer?.name ?? name),
    der(SEQUENCE, time(from), time(until)),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length > 0 ? [der(EXTENSIONS, der(SEQUENCE, ...extensions))] : []),
  );
  const signature = der(BITS, Buffer.of(0), sign('sha256', body, issuer?.key ?? key));
  const base64 = der(SEQUENCE, body, ECDSA_SHA256, signature).toString('base64');
  // OpenSSL refuses an empty line, as a last full one would leave behind.
  const lines = base64.match(/.{1,64}/g) ?? [];
  const cert = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  return { name, key, cert };
}

/** What a node shows and asks for: a certificate of `authority`, and that as the CA. */
export function certificatesOf(authority: Issued, name = 'a node'): PeerCertificates {
  const { key, cert } = issue(name, { issuer: authority });
  return { key, cert, ca: authority.cert };
}
