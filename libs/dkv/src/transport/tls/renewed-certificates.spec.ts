/** Renewed certificates are found while the node runs; what does not do is told once, and the last good ones stay. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { certificatesOf, issue } from '../../../testing/certificates.js';
import { ManualClock } from '../../../testing/manual-clock.js';
import { type PeerCertificates } from './peer-tls.js';
import { type CertificateSource, renewedCertificates } from './renewed-certificates.js';

const authority = issue('the CA');
const first = certificatesOf(authority);
const second = certificatesOf(authority, 'a node, again');

function renewed(everyMs = 0) {
  const clock = new ManualClock();
  const log = new CapturedLog();
  const given = {
    certificates: first,
    faults: [] as string[],
    reads: 0,
    failure: undefined as Error | undefined,
  };
  const source: CertificateSource = {
    everyMs,
    faultsOf: () => given.faults,
    read: (): PeerCertificates => {
      given.reads += 1;
      if (given.failure) {
        throw given.failure;
      }
      return given.certificates;
    },
  };
  return { clock, log, given, current: renewedCertificates(source, clock, log) };
}

describe('renewed certificates', () => {
  it('are used from the next connection on, and the operator is told until when they are valid', () => {
    const { given, log, current } = renewed();
    expect(current()).toEqual(first);
    expect(log.lines).toEqual([]);
    given.certificates = second;
    expect(current()).toEqual(second);
    expect(log.lines).toEqual([expect.stringMatching(/renewed certificates, valid until Jan {2}1 .*2100/)]);
    current();
    expect(log.lines).toHaveLength(1);
  });

  it('are read no more often than allowed, however many connections are made', () => {
    const { given, clock, current } = renewed(1_000);
    given.certificates = second;
    clock.advance(999);
    expect(current()).toEqual(first);
    expect(given.reads).toBe(1);
    clock.advance(1);
    expect([current(), current(), current()]).toEqual([second, second, second]);
    expect(given.reads).toBe(2);
  });

  it('that do not do are left aside, which is told once, until good ones come', () => {
    const { given, log, current } = renewed();
    Object.assign(given, { certificates: second, faults: ['tls.key is not the key of tls.cert'] });
    expect([current(), current()]).toEqual([first, first]);
    Object.assign(given, { faults: [], failure: new TypeError('tls.keyFile cannot be read') });
    expect([current(), current()]).toEqual([first, first]);
    expect(log.errors).toEqual([
      expect.stringMatching(/those of before are kept: tls\.key is not the key/),
      expect.stringMatching(/those of before are kept: tls\.keyFile cannot be read/),
    ]);
    given.failure = undefined;
    expect(current()).toEqual(second);
    given.failure = new TypeError('tls.keyFile cannot be read');
    expect(current()).toEqual(second);
    expect(log.errors).toHaveLength(3);
  });
});
