/** What a peer's error answer becomes on this side. */
import { expect, it } from 'vitest';
import { DKV_ERROR_STATUS, DkvError, type DkvErrorCode } from '../../dkv.errors.js';
import { toPeerError } from './error-body.js';

it.each(Object.keys(DKV_ERROR_STATUS) as DkvErrorCode[])('brings %s back', (code) => {
  const sent = new DkvError(code, `about ${code}`);
  const body = JSON.parse(JSON.stringify(sent)) as unknown;
  expect(toPeerError(sent.status, body, 'Node b')).toMatchObject({ code, message: `about ${code}` });
});

it.each(['toString', '__proto__', 'DKV_OF_TOMORROW', 'INTERNAL'])(
  'makes DKV_PROTOCOL of the code %s',
  (code) => {
    const error = toPeerError(500, { code, message: 'm' }, 'Node b at 10.0.0.1:7000');
    expect(error.code).toBe('DKV_PROTOCOL');
    expect(error.message).toContain('Node b at 10.0.0.1:7000');
    expect(error.message).toContain(code);
  },
);

it.each([undefined, null, 'text', [], {}, { code: 'DKV_TIMEOUT' }, { code: 5, message: 'm' }])(
  'makes DKV_PROTOCOL of the body %j',
  (body) => {
    expect(toPeerError(404, body, 'Node b').code).toBe('DKV_PROTOCOL');
  },
);

it('does not keep messages of any length', () => {
  const error = toPeerError(503, { code: 'DKV_NOT_READY', message: 'x'.repeat(1_000_000) }, 'Node b');
  expect(error.message.length).toBeLessThan(3000);
});
