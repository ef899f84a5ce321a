/** Forwarded requests: carried out once however often they come, and forgotten when they cannot come any more. */
import { beforeEach, expect, it, vi } from 'vitest';
import { ManualClock } from '../../testing/manual-clock.js';
import { microtasks } from '../../testing/microtasks.js';
import { type WriteResult } from '../model/peer-protocol.js';
import { stampRecord } from '../model/record.js';
import { formatVersion } from '../model/version.js';
import { ReceivedRequests } from './received-requests.js';

let clock: ManualClock;
let received: ReceivedRequests;

beforeEach(() => {
  clock = new ManualClock();
  received = new ReceivedRequests(clock);
});

function resultOf(bytes: number): WriteResult {
  const version = formatVersion({ physicalMs: 1, counter: 0, nodeId: 'a', boot: 1 });
  const value = new Uint8Array(bytes);
  const record = stampRecord({ namespace: 'n', key: 'k', version, tombstone: false, expiresAtMs: 0, value });
  return { record, existed: false };
}

it('carries a request out once and gives its answer to all', async () => {
  const carryOut = vi.fn(async () => resultOf(1));
  const answers = await Promise.all([
    received.once('a', 1_000, carryOut),
    received.once('a', 1_000, carryOut),
  ]);
  expect(await received.once('a', 1_000, carryOut)).toBe(answers[0]);
  expect(carryOut).toHaveBeenCalledTimes(1);
});

it('gives a refusal to all too', async () => {
  const refuse = vi.fn(() => Promise.reject(new RangeError('no')));
  await expect(received.once('a', 1_000, refuse)).rejects.toThrow('no');
  await expect(received.once('a', 1_000, refuse)).rejects.toThrow('no');
  expect(refuse).toHaveBeenCalledTimes(1);
});

it('forgets when the time is over', async () => {
  const carryOut = vi.fn(async () => resultOf(1));
  await received.once('a', 1_000, carryOut);
  clock.advance(1_000);
  await received.once('a', 1_000, carryOut);
  expect(carryOut).toHaveBeenCalledTimes(2);
  expect(received.size).toBe(1);
});

it('keeps no more than 4096 answers and 16 MiB of values', async () => {
  for (let number = 0; number < 5_000; number++) {
    await received.once(`small ${number}`, 60_000, async () => resultOf(0));
  }
  expect(received.size).toBeLessThanOrEqual(4_096);
  for (let number = 0; number < 40; number++) {
    await received.once(`large ${number}`, 60_000, async () => resultOf(1024 * 1024));
    await microtasks();
  }
  expect(received.size).toBeLessThanOrEqual(18);
});
