/** Which of several copies stands for all of them. */
import { describe, expect, it } from 'vitest';
import { type KvRecord, stampRecord, stampTombstone } from '../model/record.js';
import { formatVersion } from '../model/version.js';
import { type Copy, newestOf } from './read-repair.js';

const version = (counter: number) => formatVersion({ physicalMs: 1, counter, nodeId: 'n', boot: 1 });
const record = (counter: number): KvRecord =>
  stampRecord({
    namespace: 'n',
    key: 'k',
    version: version(counter),
    tombstone: false,
    expiresAtMs: 0,
    value: Buffer.of(1),
  });
const copies = (...held: (number | undefined)[]): Copy[] =>
  held.map((counter, index) => ({
    nodeId: 'abc'[index]!,
    record: counter === undefined ? undefined : record(counter),
  }));

describe('the newest copy', () => {
  it.each<[string, Copy[], string | undefined]>([
    ['of none', [], undefined],
    ['of nodes that hold nothing', copies(undefined, undefined), 'a'],
    ['is a record rather than nothing', copies(undefined, 1), 'b'],
    ['is a record rather than nothing, that answered later', copies(1, undefined), 'a'],
    ['has the highest version, last', copies(1, 2, 3), 'c'],
    ['has the highest version, first', copies(3, 2, 1), 'a'],
    ['has the highest version by number, not by digit', copies(9, 10), 'b'],
    ['is the first of equals', copies(2, 2, 1), 'a'],
  ])('%s', (_, all, nodeId) => {
    expect(newestOf(all)?.nodeId).toBe(nodeId);
  });

  it('may be a delete', () => {
    const deleted = { nodeId: 'b', record: stampTombstone({ namespace: 'n', key: 'k' }, version(2)) };
    expect(newestOf([...copies(1), deleted])).toBe(deleted);
  });
});
