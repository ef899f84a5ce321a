/** The digest of a record: equal for what is the same, whoever stores it, and another one for whatever differs. */
import { expect, it } from 'vitest';
import { summaryOf, type SummarisedRecord } from './record-summary.js';

const RECORD: SummarisedRecord = {
  namespace: 'n',
  key: 'k',
  version: 'v',
  value: Buffer.from('value'),
  expiresAtMs: 0,
  isTombstone: false,
};

it('tells all of a record but its value', () => {
  const { digest, ...rest } = summaryOf(RECORD);
  expect(rest).toEqual({ version: 'v', valueBytes: 5, expiresAtMs: 0, isTombstone: false });
  expect(digest).toBe('15f07b36');
});

it('has a digest of namespace, key, value and expiry', () => {
  const others: Partial<SummarisedRecord>[] = [
    { namespace: 'm' },
    { key: 'l' },
    { value: Buffer.from('valuf') },
    { value: new Uint8Array(0) },
    { expiresAtMs: 1 },
  ];
  const digests = [{}, ...others].map((other) => summaryOf({ ...RECORD, ...other }).digest);
  expect(new Set(digests).size).toBe(digests.length);
  expect(summaryOf({ ...RECORD, version: 'w', isTombstone: true }).digest).toBe(digests[0]);
});
