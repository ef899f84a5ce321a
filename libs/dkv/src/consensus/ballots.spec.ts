/** Ballots promised for the next write: used once, and dropped rather than used twice. */
import { describe, expect, it } from 'vitest';
import { stampRecord } from '../model/record.js';
import { formatVersion } from '../model/version.js';
import { type PromisedBallot, PromisedBallots } from './ballots.js';

const ballot = (at: number) => formatVersion({ physicalMs: at, counter: 0, nodeId: 'a', boot: 1 });

function promised(at: number, valueBytes = 0): PromisedBallot {
  const version = ballot(at);
  const value = new Uint8Array(valueBytes);
  const record = stampRecord({ namespace: 'n', key: 'k', version, tombstone: false, expiresAtMs: 0, value });
  return { next: ballot(at + 1), accepted: { ballot: version, record } };
}

describe('a ballot that was promised', () => {
  it('is taken with what was accepted, and only once', () => {
    const ballots = new PromisedBallots(1_000_000);
    ballots.keep('k', promised(1));
    expect(ballots.take('k')).toEqual(promised(1));
    expect(ballots.take('k')).toBeUndefined();
  });

  it('is of its key alone', () => {
    const ballots = new PromisedBallots(1_000_000);
    ballots.keep('k', promised(1));
    ballots.keep('l', promised(2));
    expect(ballots.take('m')).toBeUndefined();
    expect(ballots.take('l')).toEqual(promised(2));
    expect(ballots.take('k')).toEqual(promised(1));
  });

  it('gives way to a later one', () => {
    const ballots = new PromisedBallots(1_000_000);
    ballots.keep('k', promised(1));
    ballots.keep('k', promised(5));
    expect(ballots.take('k')).toEqual(promised(5));
    expect(ballots.take('k')).toBeUndefined();
  });
});

describe('the bytes kept', () => {
  const VALUE_BYTES = 10_000;

  it('are bounded: the ballots used longest ago go', () => {
    const ballots = new PromisedBallots(16 * 11_000);
    for (let at = 0; at < 50; at++) {
      ballots.keep(`k${at}`, promised(at, VALUE_BYTES));
    }
    const left = [...Array(50).keys()].filter((at) => ballots.take(`k${at}`));
    expect(left.length).toBeGreaterThanOrEqual(13);
    expect(left.length).toBeLessThanOrEqual(16);
    expect(left).toEqual([...Array(50).keys()].slice(-left.length));
  });

  it('count for small values too', () => {
    const ballots = new PromisedBallots(100_000);
    for (let at = 0; at < 10_000; at++) {
      ballots.keep(`k${at}`, promised(at));
    }
    const left = [...Array(10_000).keys()].filter((at) => ballots.take(`k${at}`));
    expect(left.length).toBeGreaterThan(50);
    expect(left.length).toBeLessThan(200);
    expect(left.at(-1)).toBe(9_999);
  });

  it('are given back when a ballot is taken', () => {
    const ballots = new PromisedBallots(11_000);
    ballots.keep('k', promised(1, VALUE_BYTES));
    ballots.take('k');
    ballots.keep('l', promised(2, VALUE_BYTES));
    expect(ballots.take('l')).toBeDefined();
  });

  it('of a value too large for them are not kept, nor is what was there before', () => {
    const ballots = new PromisedBallots(11_000);
    ballots.keep('k', promised(1));
    ballots.keep('k', promised(2, 2 * VALUE_BYTES));
    expect(ballots.take('k')).toBeUndefined();
  });
});
