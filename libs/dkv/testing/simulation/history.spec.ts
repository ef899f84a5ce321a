import { describe, expect, it } from 'vitest';
import { DkvError } from '../../src/dkv.errors.js';
import { describeOperation, History, type HistoryAction } from './history.js';
import { SimScheduler } from './sim-scheduler.js';
import { SimTrace } from './trace.js';

const start = (action: HistoryAction) => ({ client: 'c', incarnation: 'n1#1', key: 'k', action });
const READ: HistoryAction = { kind: 'read' };
const WRITE: HistoryAction = { kind: 'write', value: 'a' };

describe('History', () => {
  it('orders beginnings and ends as they came, at one virtual time too', () => {
    const history = new History(new SimScheduler(), new SimTrace());
    const write = history.begin(start(WRITE));
    const read = history.begin(start(READ));
    read.end({ kind: 'ok', value: 'a' });
    write.end({ kind: 'ok' });
    history.begin(start(READ)).end({ kind: 'unread' });
    expect(history.operations.map(({ invoked, returned }) => [invoked, returned])).toEqual([
      [0, 3],
      [1, 2],
      [4, 5],
    ]);
    expect(() => read.end({ kind: 'ok' })).toThrow(TypeError);
  });

  it.each<[HistoryAction, Error | undefined, string, boolean]>([
    [WRITE, undefined, 'ok', true],
    [WRITE, new DkvError('DKV_NOT_APPLIED', ''), 'notApplied', true],
    [WRITE, new DkvError('DKV_QUORUM_NOT_REACHED', ''), 'notApplied', true],
    [WRITE, new DkvError('DKV_OVERLOADED', ''), 'notApplied', true],
    [WRITE, new DkvError('DKV_INDETERMINATE', ''), 'indeterminate', false],
    [WRITE, new DkvError('DKV_TIMEOUT', ''), 'indeterminate', false],
    [WRITE, new DkvError('DKV_STORAGE_FAILED', ''), 'indeterminate', false],
    [READ, new DkvError('DKV_QUORUM_NOT_REACHED', ''), 'unread', true],
    [READ, new DkvError('DKV_TIMEOUT', ''), 'unread', true],
  ])('%j ending with %s is %s', async (action, error, kind, returns) => {
    const scheduler = new SimScheduler();
    const history = new History(scheduler, new SimTrace());
    const work = async () => {
      await scheduler.sleep(5);
      if (error !== undefined) {
        throw error;
      }
      return { kind: 'ok' } as const;
    };
    expect((await scheduler.settle(history.record(start(action), work))).kind).toBe(kind);
    const [operation] = history.operations;
    expect(operation?.outcome.kind).toBe(kind);
    expect([operation?.returned, operation?.returnedAtMs]).toEqual(returns ? [1, 5] : [Infinity, Infinity]);
  });

  it('leaves open what never ends, or ends with an error that is not of the store', async () => {
    const scheduler = new SimScheduler();
    const history = new History(scheduler, new SimTrace());
    void history.record(start(WRITE), () => new Promise(() => undefined));
    void history.record(start(READ), () => new Promise(() => undefined));
    const bug = history.record(start(WRITE), () => Promise.reject(new RangeError('a bug')));
    await expect(bug).rejects.toThrow(RangeError);
    expect(history.operations.map(({ outcome, returned }) => [outcome.kind, returned])).toEqual([
      ['indeterminate', Infinity],
      ['unread', Infinity],
      ['indeterminate', Infinity],
    ]);
    expect(describeOperation(history.operations[0]!)).toBe(
      '[0, ∞] c at n1#1: write "k" {"value":"a"} → indeterminate {}',
    );
  });

  it('is in the trace, answers included', () => {
    const digestOf = (value: string): string => {
      const trace = new SimTrace();
      new History(new SimScheduler(), trace).begin(start(READ)).end({ kind: 'ok', value });
      return trace.digest;
    };
    expect(digestOf('a')).toBe(digestOf('a'));
    expect(digestOf('a')).not.toBe(digestOf('b'));
  });
});
