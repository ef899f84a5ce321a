/** Gives the certificates of the moment: looks for renewed ones while the node runs, and keeps the last good ones. */
import { X509Certificate } from 'node:crypto';
import { type Clock } from '../../ports/clock.js';
import { type Logger } from '../../ports/logger.js';
import { type PeerCertificates } from './peer-tls.js';
import { isSame } from './stream-certificates.js';

export interface CertificateSource {
  /** May throw, and may give what does not do. */
  read(): PeerCertificates;
  /** Why it does not do; empty where it does. */
  faultsOf(certificates: PeerCertificates): readonly string[];
  /** Between two reads at least. Milliseconds. */
  readonly everyMs: number;
}

/** For both directions of a node's connections. Reads at once, and throws what that throws; never afterwards. */
export function renewedCertificates(
  source: CertificateSource,
  clock: Clock,
  logger: Logger,
): () => PeerCertificates {
  let good = source.read();
  let readAtMs = clock.monotonic();
  let told = '';
  const complain = (why: string) => {
    if (why !== told) {
      told = why;
      logger.error(`The certificates could not be renewed, those of before are kept: ${why}`);
    }
  };
  const read = () => {
    const next = source.read();
    if (isSame(next, good)) {
      told = '';
      return;
    }
    const faults = source.faultsOf(next);
    if (faults.length > 0) {
      complain(faults.join('; '));
      return;
    }
    good = { key: next.key, cert: next.cert, ca: next.ca };
    told = '';
    const { validTo } = new X509Certificate(next.cert);
    logger.log(`New connections between nodes use renewed certificates, valid until ${validTo}.`);
  };
  return () => {
    const nowMs = clock.monotonic();
    if (nowMs - readAtMs >= source.everyMs) {
      readAtMs = nowMs;
      try {
        read();
      } catch (error) {
        complain(error instanceof Error ? error.message : String(error));
      }
    }
    return good;
  };
}
