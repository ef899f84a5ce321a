/** A group went on as generation 2 at time 100, behind entry 5; of it, entries up to 3 were applied where it went on. */
import { describe, expect, it } from 'vitest';
import { type HistoryOperation } from '../history.js';
import { checkLinearizability } from './linearizability.js';
import { splitAtLoss } from './lost-tail.js';
import { operation } from './written-history.js';

const LOSS = { generation: 2, lastIndex: 5, endIndex: 5, applied: 3, beganMs: 100 };
/** Entry 6, and 7, are of a leader that never had them committed. */
const OTHER = { ...LOSS, endIndex: 7 };

const version = (generation: number, index: number) =>
  generation.toString(16).padStart(8, '0') + index.toString(16).padStart(12, '0');
const write = (value: string, from: number, until: number, at: readonly [number, number]) =>
  operation(from, until, { kind: 'write', value }, { kind: 'ok', version: version(...at) });
const read = (value: string, from: number, until: number, at: readonly [number, number]) =>
  operation(from, until, { kind: 'read' }, { kind: 'ok', value, version: version(...at) });
const remove = (from: number, until: number) => operation(from, until, { kind: 'delete' });
const nothing = (from: number, until: number) => operation(from, until, { kind: 'read' }, { kind: 'ok' });

function faults(operations: readonly HistoryOperation[], loss = LOSS): number {
  const { before, after, revived } = splitAtLoss(operations, loss);
  return [before, after].flatMap((part) => checkLinearizability(part)).length + revived.length;
}

const KEPT = write('kept', 1, 2, [1, 2]);
const LOST = write('lost', 11, 12, [1, 6]);

describe('a history with a lost tail is sound where', () => {
  it.each<[string, HistoryOperation[]]>([
    [
      'what was lost is seen before and not after',
      [KEPT, LOST, read('lost', 21, 22, [1, 6]), read('kept', 201, 202, [1, 2])],
    ],
    ['all was kept', [KEPT, write('end', 11, 12, [1, 3]), read('end', 201, 202, [1, 3])]],
    [
      'what was not applied by then shows the new generation',
      [write('late', 1, 2, [1, 5]), read('late', 201, 202, [2, 5])],
    ],
    [
      'a delete that no version places is lost',
      [KEPT, remove(11, 12), nothing(21, 22), read('kept', 201, 202, [1, 2])],
    ],
    ['a delete that no version places is kept', [KEPT, remove(11, 12), nothing(21, 22), nothing(201, 202)]],
    ['a request under way takes effect again', [KEPT, LOST, read('lost', 201, 202, [2, 8])]],
    ['it goes on', [KEPT, LOST, write('new', 201, 202, [2, 7]), read('new', 211, 212, [2, 7])]],
  ])('%s', (_, operations) => expect(faults(operations)).toBe(0));
});

describe('it is not where', () => {
  it.each<[string, HistoryOperation[]]>([
    ['a kept write is gone', [KEPT, LOST, nothing(201, 202)]],
    [
      'an older one is back',
      [write('old', 1, 2, [1, 1]), write('kept', 11, 12, [1, 2]), read('old', 201, 202, [1, 1])],
    ],
    ['a lost one is back under its old version', [KEPT, LOST, read('lost', 201, 202, [1, 6])]],
    [
      'a delete before a kept write is lost',
      [KEPT, remove(11, 12), write('other', 21, 22, [1, 5]), read('kept', 201, 202, [1, 2])],
    ],
    ['it was broken before', [KEPT, LOST, nothing(21, 22)]],
    ['it is broken after', [KEPT, write('new', 201, 202, [2, 7]), read('kept', 211, 212, [1, 2])]],
  ])('%s', (_, operations) => expect(faults(operations)).toBeGreaterThan(0));
});

describe('where the log that goes on has entries of its own', () => {
  const refused = operation(21, 22, { kind: 'write', value: 'refused' }, { kind: 'notApplied' });

  it.each<[string, HistoryOperation[]]>([
    ['what was lost is not kept, though its index is reached', [KEPT, LOST, read('kept', 201, 202, [1, 2])]],
    ['a request that the lost history answered takes effect', [KEPT, LOST, read('lost', 201, 202, [2, 7])]],
    ['so does one that the lost history cancelled', [KEPT, refused, read('refused', 201, 202, [2, 7])]],
  ])('%s, and that is sound', (_, operations) => expect(faults(operations, OTHER)).toBe(0));

  it.each<[string, HistoryOperation[]]>([
    ['a kept write is gone', [KEPT, LOST, nothing(201, 202)]],
    ['a lost one is back under its old version', [KEPT, LOST, read('lost', 201, 202, [1, 6])]],
    ['a cancelled one was seen before', [KEPT, refused, read('refused', 31, 32, [1, 7])]],
  ])('%s, and that is not', (_, operations) => expect(faults(operations, OTHER)).toBeGreaterThan(0));

  it('a cancelled request that takes effect is not sound where there are none', () => {
    expect(faults([KEPT, refused, read('refused', 201, 202, [2, 7])])).toBeGreaterThan(0);
  });
});
