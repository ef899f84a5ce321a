/** What a node remembers of its own writes: bounded, and never so little that a read could miss one. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type RecordId } from '../model/key.js';
import { OwnWrites } from './own-writes.js';

const id = (key: string, partition = 1, namespace = 'default'): RecordId => ({ partition, namespace, key });

/** Remembers two writes. */
let writes: OwnWrites;

beforeEach(() => {
  writes = new OwnWrites(2);
});

/** Pushes everything out that was noted before, into partitions of no interest. */
function overflow(): void {
  writes.note(id('filler 1', 91), 'v', 'filler');
  writes.note(id('filler 2', 92), 'v', 'filler');
}

describe('a write', () => {
  it('that was never made is expected nowhere', () => {
    expect(writes.expected(id('k'))).toBeUndefined();
  });

  it('is expected with its version at its coordinator', () => {
    writes.note(id('k'), 'v1', 'b');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v1', coordinator: 'b' });
  });

  it('takes the place of the one before', () => {
    writes.note(id('k'), 'v1', 'b');
    writes.note(id('k'), 'v2', 'c');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v2', coordinator: 'c' });
  });

  it.each([
    ['another key', id('l')],
    ['the key in another namespace', id('k', 1, 'other')],
  ])('says nothing of %s', (_, other) => {
    writes.note(id('k'), 'v1', 'b');
    expect(writes.expected(other)).toBeUndefined();
  });

  it('is forgotten for good once the local copy has it', () => {
    writes.note(id('k'), 'v1', 'b');
    writes.settled(id('k'), 'v1');
    overflow();
    expect(writes.expected(id('k'))).toBeUndefined();
  });

  it('is not forgotten when the local copy has only an older one', () => {
    writes.note(id('k'), 'v2', 'b');
    writes.settled(id('k'), 'v1');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v2', coordinator: 'b' });
  });

  it('never goes back, whichever answer comes last', () => {
    writes.note(id('k'), 'v2', 'b');
    writes.note(id('k'), 'v1', 'c');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v2', coordinator: 'b' });
  });
});

describe('a write pushed out', () => {
  it('leaves its coordinator to be asked, for any key of the partition', () => {
    writes.note(id('k'), 'v1', 'b');
    overflow();
    expect(writes.expected(id('k'))).toEqual({ version: undefined, coordinator: 'b' });
    expect(writes.expected(id('unknown'))).toEqual({ version: undefined, coordinator: 'b' });
  });

  it('says nothing of other partitions', () => {
    writes.note(id('k', 1), 'v1', 'b');
    overflow();
    expect(writes.expected(id('k', 2))).toBeUndefined();
  });

  it('is not the one written again: that is kept', () => {
    writes.note(id('again'), 'v1', 'b');
    writes.note(id('once', 2), 'v2', 'c');
    writes.note(id('again'), 'v3', 'b');
    writes.note(id('more', 3), 'v4', 'd');
    expect(writes.expected(id('again'))).toMatchObject({ version: 'v3' });
    expect(writes.expected(id('once', 2))).toEqual({ version: undefined, coordinator: 'c' });
  });

  it.each([
    ['one coordinator', ['b', 'b', 'b'], 'b'],
    ['two coordinators', ['b', 'c'], undefined],
    ['two coordinators, the first again', ['b', 'c', 'b'], undefined],
  ])('after others of its partition: %s', (_, coordinators, expected) => {
    coordinators.forEach((coordinator, index) => writes.note(id(`k${index}`), 'v', coordinator));
    overflow();
    expect(writes.expected(id('k0'))).toEqual({ version: undefined, coordinator: expected });
  });

  it('does not hide a newer one that is still remembered', () => {
    writes.note(id('k'), 'v1', 'b');
    overflow();
    writes.note(id('k'), 'v2', 'c');
    expect(writes.expected(id('k'))).toMatchObject({ version: 'v2', coordinator: 'c' });
  });
});
