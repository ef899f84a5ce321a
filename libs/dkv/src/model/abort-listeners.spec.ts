import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { onAbort } from './abort-listeners.js';

describe('operations that wait for one signal', () => {
  it('have one listener together, and none when nobody waits', () => {
    const caller = new AbortController();
    const ends = Array.from({ length: 300 }, () => onAbort(caller.signal, () => undefined));
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(1);
    ends.slice(1).forEach((end) => end());
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(1);
    ends[0]!();
    ends[0]!();
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
    onAbort(caller.signal, () => undefined);
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(1);
  });

  it('are told once each, in order, unless they have ended, also by one that was told before', () => {
    const caller = new AbortController();
    const told: string[] = [];
    onAbort(caller.signal, () => {
      told.push('a');
      endC();
    });
    const endB = onAbort(caller.signal, () => told.push('b'));
    const endC = onAbort(caller.signal, () => told.push('c'));
    onAbort(caller.signal, () => told.push('d'));
    endB();
    caller.abort();
    caller.abort();
    expect(told).toEqual(['a', 'd']);
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
  });

  it('of another signal are not told', () => {
    const [caller, other] = [new AbortController(), new AbortController()];
    let told = 0;
    onAbort(other.signal, () => told++);
    onAbort(caller.signal, () => undefined);
    caller.abort();
    expect(told).toBe(0);
  });
});
