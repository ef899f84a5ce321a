/** The option `tls`: the forms that it has, and what is looked at before a node starts with it. */
import { Buffer } from 'node:buffer';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { certificateFaults, type CertificateNames } from './transport/tls/certificate-faults.js';
import { type CertificateSource } from './transport/tls/renewed-certificates.js';
import { SystemClock } from './system/system-clock.js';
import { isOfNode } from './transport/tls/bound-names.js';
import { type PeerCertificates } from './transport/tls/peer-tls.js';

/** Paths of files in PEM, as a Secret is mounted. They are read again when a connection is made, at most each second. */
export interface DkvTlsFiles {
  readonly keyFile: string;
  readonly certFile: string;
  readonly caFile: string;
}

export interface DkvTlsBinding {
  /** A node's certificate must have its id as common name or as a DNS name, both ways. The same for every node. Default: false. */
  readonly bindNodeId?: boolean;
}

export type DkvTls =
  (PeerCertificates & DkvTlsBinding) | (DkvTlsFiles & DkvTlsBinding) | (() => PeerCertificates);

const PARTS = ['key', 'cert', 'ca'] as const;
const READ_EVERY_MS = 1_000;

export const TLS_FORMS =
  'give { key, cert, ca } in PEM, a function that returns these, or the paths { keyFile, certFile, caFile }; bindNodeId, true or false, goes with all but a function';

/** Whether it has one of the forms, whatever is in it. */
export function isTls(value: unknown): value is DkvTls {
  return typeof value === 'function' || isFiles(value) || isCertificates(withoutBinding(value));
}

/** Where the certificates of a node come from. What it throws may be logged: it shows nothing of a key. */
export function certificateSource(tls: DkvTls, nodeId: string | undefined): CertificateSource {
  const names = namesOf(tls);
  // OpenSSL goes by the machine's own clock, whatever clock the store was given.
  const clock = new SystemClock();
  return {
    read: () => read(tls),
    faultsOf(certificates) {
      const faults = certificateFaults(certificates, names, clock.now());
      return faults.length > 0 ? faults : wrongBinding(tls, names, certificates, nodeId);
    },
    everyMs: isFiles(tls) ? READ_EVERY_MS : 0,
  };
}

/** Reads everything once, so that a node does not start with what its peers would refuse. */
export function wrongTls(tls: DkvTls, nodeId?: string | null): readonly string[] {
  const source = certificateSource(tls, nodeId ?? undefined);
  try {
    return source.faultsOf(source.read());
  } catch (error) {
    return [(error as Error).message];
  }
}

export function bindsNodeIds(tls: DkvTls | undefined): boolean {
  return typeof tls === 'object' && tls.bindNodeId === true;
}

/** Its peers would refuse a node whose own certificate has not its name. */
function wrongBinding(
  tls: DkvTls,
  names: CertificateNames,
  { cert }: PeerCertificates,
  nodeId: string | undefined,
): readonly string[] {
  return !bindsNodeIds(tls) || (nodeId !== undefined && isOfNode(new X509Certificate(cert), nodeId))
    ? []
    : [
        `${names.cert} is not of node ${nodeId}, and tls.bindNodeId is true: have it issued with the nodeId as common name, or as ` +
          'a DNS name',
      ];
}

/** @throws TypeError that names option and remedy */
function read(tls: DkvTls): PeerCertificates {
  if (isFiles(tls)) {
    const { keyFile, certFile, caFile } = tls;
    return {
      key: readFile('keyFile', keyFile),
      cert: readFile('certFile', certFile),
      ca: readFile('caFile', caFile),
    };
  }
  if (typeof tls !== 'function') {
    return tls;
  }
  const given = call(tls);
  if (!isCertificates(given)) {
    throw new TypeError(
      'tls is a function that gave something else: let it return { key, cert, ca } at once',
    );
  }
  return given;
}

function call(tls: () => PeerCertificates): unknown {
  try {
    return tls();
  } catch (error) {
    const { name = 'an error', code = name } = error as { name?: string; code?: unknown };
    // Its message may quote what it worked on.
    throw new TypeError(
      `tls is a function that failed (${String(code)}; no more is shown here): let it return the last good ones`,
    );
  }
}

function readFile(option: keyof DkvTlsFiles, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as { code?: unknown };
    throw new TypeError(
      `tls.${option} is ${JSON.stringify(path)}, which cannot be read (${String(code)}): give the path of a file in PEM`,
    );
  }
}

function namesOf(tls: DkvTls): CertificateNames {
  const name = (part: keyof PeerCertificates) =>
    isFiles(tls)
      ? `tls.${part}File ${JSON.stringify(tls[`${part}File`])}`
      : `tls${typeof tls === 'function' ? '()' : ''}.${part}`;
  return { key: name('key'), cert: name('cert'), ca: name('ca') };
}

function isCertificates(value: unknown): value is PeerCertificates {
  return hasExactly(value, PARTS, (part) => typeof part === 'string' || Buffer.isBuffer(part));
}

function isFiles(value: unknown): value is DkvTlsFiles {
  const files = PARTS.map((part) => `${part}File`);
  return hasExactly(withoutBinding(value), files, (path) => typeof path === 'string' && path.length > 0);
}

/** An object but for `bindNodeId`, where that is true or false. */
function withoutBinding(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  const { bindNodeId, ...others } = value as DkvTlsBinding;
  return bindNodeId === undefined || typeof bindNodeId === 'boolean' ? others : value;
}

function hasExactly(value: unknown, names: readonly string[], accepts: (part: unknown) => boolean): boolean {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return (
    entries.length === names.length && entries.every(([name, part]) => names.includes(name) && accepts(part))
  );
}
