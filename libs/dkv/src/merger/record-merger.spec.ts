/** What becomes of two records of a key: the newer verbatim, or a join that is stamped only when it is new. */
import { describe, expect, it } from 'vitest';
import { JsonCodec } from '../codec/json-codec.js';
import { MsgpackCodec } from '../codec/msgpack-codec.js';
import { caught } from '../../testing/caught.js';
import { SimRandom } from '../../testing/simulation/sim-random.js';
import { type KvRecord, stampRecord, stampTombstone, verifyRecord } from '../model/record.js';
import { formatVersion, parseVersion, type Version } from '../model/version.js';
import { type Codec } from '../ports/codec.js';
import { type Merger } from '../ports/merger.js';
import { LastWriteWinsMerger } from './last-write-wins-merger.js';
import { RecordMerger } from './record-merger.js';

const START_MS = 1_700_000_000_000;
const ID = { namespace: 'default', key: 'k' };

const versionAt = (ms: number, nodeId = 'a'): Version =>
  formatVersion({ physicalMs: START_MS + ms, counter: 0, nodeId, boot: 1 });

function recordAt(ms: number, value: Uint8Array, differing: Partial<KvRecord> = {}): KvRecord {
  return stampRecord({
    ...ID,
    version: versionAt(ms),
    tombstone: false,
    expiresAtMs: 0,
    value,
    ...differing,
  });
}

/** A union of lists, in the order of arrival: one set has many texts. */
const union: Merger<string[]> = {
  merge: (current, incoming) => [...new Set([...current.value, ...incoming.value])],
};
const sets = new RecordMerger(union, new JsonCodec());
const setAt = (ms: number, ...members: string[]) => recordAt(ms, Buffer.from(JSON.stringify(members)));
const membersOf = ({ value }: Pick<KvRecord, 'value'>) =>
  JSON.parse(Buffer.from(value).toString()) as string[];

/** A stamp that must not be asked for. */
const noStamp = (): Version => {
  throw new Error('A new version was stamped.');
};

/** Stamps as node `nodeId`, counting. */
function stampOf(nodeId: string) {
  const stamp = (above: Version): Version => {
    const { physicalMs, counter } = parseVersion(above);
    stamp.count++;
    return formatVersion({ physicalMs, counter: counter + 1, nodeId, boot: 1 });
  };
  stamp.count = 0;
  return stamp;
}

const deletedAt = (ms: number) => stampTombstone(ID, versionAt(ms));

describe('the newest wins', () => {
  const newest = new RecordMerger(new LastWriteWinsMerger(), new JsonCodec());
  // Not JSON: values must not be looked at.
  const older = recordAt(1, Buffer.from('old'));
  const newer = recordAt(2, Buffer.from('new'));

  it.each<[string, KvRecord | undefined, KvRecord, KvRecord]>([
    ['nothing and a value', undefined, older, older],
    ['an older and a newer', older, newer, newer],
    ['a newer and an older', newer, older, newer],
    ['a value and a later delete', older, deletedAt(2), deletedAt(2)],
    ['a delete and a later value', deletedAt(1), newer, newer],
    ['an older delete and a value', newer, deletedAt(1), newer],
  ])('of %s, verbatim', (_, current, incoming, expected) => {
    const joined = newest.join(current, incoming, noStamp);
    expect(joined).toEqual(expected);
    expect([current, incoming]).toContain(joined);
  });

  it('and keeps what is held when the same comes again', () => {
    expect(newest.join(newer, { ...newer }, noStamp)).toBe(newer);
  });

  it('and writes the value given', () => {
    expect(newest.writeValue(newer, older)).toBe(older.value);
    expect(newest.writeValue(undefined, older)).toBe(older.value);
  });

  it('and says that it does, which only the default merger may', () => {
    expect(newest.newestWins).toBe(true);
    expect(sets.newestWins).toBe(false);
  });
});

describe.each([
  ['the newest wins', new RecordMerger(new LastWriteWinsMerger(), new JsonCodec())],
  ['a merger joins', sets],
])('one version with two contents, where %s', (_, merger) => {
  it.each<[string, Partial<KvRecord>]>([
    ['value', { value: Buffer.from('["y"]') }],
    ['expiry', { expiresAtMs: START_MS + 5 }],
    ['tombstone flag', { tombstone: true, value: new Uint8Array(0) }],
  ])('is corruption: another %s', (_field, differing) => {
    const held = setAt(1, 'x');
    const error = caught(() => merger.join(held, recordAt(1, held.value, differing), noStamp));
    expect(error.code).toBe('DKV_CORRUPT_RECORD');
    expect(error.message).toContain(held.version);
    expect(error.message).toContain('"k"');
  });
});

describe('a merger that joins sets', () => {
  it.each([
    ['equal sets', ['x'], ['x'], ['x']],
    ['a subset and a set', ['x'], ['x', 'y'], ['x', 'y']],
    ['equal sets in another order', ['x', 'y'], ['y', 'x'], ['y', 'x']],
    ['nothing and something', [], ['x'], ['x']],
  ])('keeps the newer verbatim, stamping nothing: %s', (_, old, young, expected) => {
    const [older, newer] = [setAt(1, ...old), setAt(2, ...young)];
    expect(sets.join(older, newer, noStamp)).toBe(newer);
    expect(sets.join(newer, older, noStamp)).toBe(newer);
    expect(membersOf(newer)).toEqual(expected);
  });

  it.each([
    ['a set and a subset', ['x', 'y'], ['x']],
    ['sets with nothing in common', ['x'], ['y']],
    ['something and nothing', ['x'], []],
  ])('stamps above both what neither holds as the newer: %s', (_, old, young) => {
    const [older, newer] = [setAt(1, ...old), setAt(2, ...young)];
    const joined = sets.join(older, newer, stampOf('b'));
    expect(membersOf(joined).sort()).toEqual([...new Set([...old, ...young])].sort());
    expect(joined.version > newer.version).toBe(true);
    expect(verifyRecord(joined, 'a test')).toBe(joined);
  });

  it('is told the version that the stamp must be above', () => {
    const asked: Version[] = [];
    sets.join(setAt(2, 'x'), setAt(1, 'y'), (above) => {
      asked.push(above);
      return stampOf('b')(above);
    });
    expect(asked).toEqual([versionAt(2)]);
  });

  it.each<[string, KvRecord, KvRecord]>([
    ['a value and a later delete', setAt(1, 'x'), deletedAt(2)],
    ['a delete and a later value', deletedAt(1), setAt(2, 'x')],
    ['two deletes', deletedAt(1), deletedAt(2)],
    [
      'a value that expired before the later was written',
      recordAt(1, setAt(1, 'x').value, { expiresAtMs: START_MS + 2 }),
      setAt(3, 'y'),
    ],
    [
      'a value that expired as the later was written',
      recordAt(1, setAt(1, 'x').value, { expiresAtMs: START_MS + 3 }),
      setAt(3, 'y'),
    ],
  ])('never merges %s: the newer wins', (_, older, newer) => {
    expect(sets.join(older, newer, noStamp)).toBe(newer);
    expect(sets.join(newer, older, noStamp)).toBe(newer);
    expect(sets.writeValue(older, newer)).toBe(newer.value);
  });

  it('merges a value that was to expire after the later was written', () => {
    const older = recordAt(1, setAt(1, 'x').value, { expiresAtMs: START_MS + 4 });
    expect(membersOf(sets.join(older, setAt(3, 'y'), stampOf('b')))).toEqual(['x', 'y']);
  });

  it('keeps the expiry of the newer', () => {
    const newer = recordAt(2, setAt(2, 'y').value, { expiresAtMs: START_MS + 99 });
    expect(sets.join(setAt(1, 'x'), newer, stampOf('b')).expiresAtMs).toBe(START_MS + 99);
  });

  it('writes upon what is held', () => {
    expect(membersOf({ value: sets.writeValue(setAt(1, 'x'), setAt(2, 'y')) }).sort()).toEqual(['x', 'y']);
    const superset = setAt(2, 'y', 'x');
    expect(sets.writeValue(setAt(1, 'x'), superset)).toBe(superset.value);
    expect(sets.writeValue(undefined, superset)).toBe(superset.value);
  });

  it('is told value, time and version of each side', () => {
    const seen: unknown[] = [];
    const spy: Merger<string[]> = {
      merge: (current, incoming) => {
        seen.push(current, incoming);
        return incoming.value;
      },
    };
    new RecordMerger(spy, new JsonCodec()).join(setAt(1, 'x'), setAt(2, 'y'), noStamp);
    expect(seen).toEqual([
      { value: ['x'], modified: START_MS + 1, version: versionAt(1) },
      { value: ['y'], modified: START_MS + 2, version: versionAt(2) },
    ]);
  });
});

describe.each<[string, Codec<Set<string>>]>([['msgpack', new MsgpackCodec<Set<string>>()]])(
  'a grow-only set in %s',
  (_, codec) => {
    const growing: Merger<Set<string>> = {
      merge: (current, incoming) => new Set([...current.value, ...incoming.value]),
    };
    const merger = new RecordMerger(growing, codec);
    const setOf = (ms: number, nodeId: string, members: readonly string[]) =>
      recordAt(ms, codec.encode(new Set(members)), { version: versionAt(ms, nodeId) });
    const contentOf = (record: KvRecord) => [...codec.decode(record.value)].sort();

    it('comes to the same content from both sides', () => {
      const [a, b] = [setOf(1, 'a', ['x', 'y']), setOf(2, 'b', ['z', 'x'])];
      expect(contentOf(merger.join(a, b, stampOf('c')))).toEqual(['x', 'y', 'z']);
      expect(contentOf(merger.join(b, a, stampOf('d')))).toEqual(['x', 'y', 'z']);
    });

    it('that met a side meets it again without a new version', () => {
      const [a, b] = [setOf(1, 'a', ['x']), setOf(2, 'b', ['y'])];
      const joined = merger.join(a, b, stampOf('c'));
      expect(merger.join(joined, a, noStamp)).toBe(joined);
      expect(merger.join(joined, b, noStamp)).toBe(joined);
      expect(merger.join(joined, joined, noStamp)).toBe(joined);
    });

    it('joined by two replicas on their own is soon one record on both, and stays it', () => {
      const [atA, atB] = [stampOf('a'), stampOf('b')];
      let [a, b] = [setOf(1, 'a', ['x', 'y']), setOf(1, 'b', ['z'])];
      [a, b] = [merger.join(a, b, atA), merger.join(b, a, atB)];
      expect([atA.count, atB.count]).toEqual([1, 1]);
      [a, b] = [merger.join(a, b, noStamp), merger.join(b, a, noStamp)];
      expect(a).toEqual(b);
      expect(contentOf(a)).toEqual(['x', 'y', 'z']);
      expect(merger.join(a, b, noStamp)).toBe(a);
    });

    it('gossiped among many replicas in any order converges, and then nothing is stamped any more', () => {
      const random = new SimRandom('gossip');
      const held = [...'abcdef'].map((nodeId, index) =>
        setOf(index, nodeId, [nodeId, random.pick(['u', 'v', 'w'])]),
      );
      const stamps = [...'abcdef'].map(stampOf);
      const exchange = (to: number, from: number) => {
        held[to] = merger.join(held[to], held[from]!, stamps[to]!);
      };
      for (let step = 0; step < 300; step++) {
        exchange(random.int(6), random.int(6));
      }
      const all = [...new Set(held.flatMap(contentOf))].sort();
      expect(held.map(contentOf)).toEqual(held.map(() => all));
      expect(new Set(held.map(({ version }) => version)).size).toBe(1);
      const stamped = stamps.map(({ count }) => count);
      held.forEach((_record, to) => held.forEach((_other, from) => exchange(to, from)));
      expect(stamps.map(({ count }) => count)).toEqual(stamped);
    });
  },
);

describe('the default merger', () => {
  const merger = new LastWriteWinsMerger<string>();
  const side = (value: string, version: string) => ({ value, version, modified: 0 });

  it.each([
    ['the incoming', side('x', 'v1'), side('y', 'v2'), 'y'],
    ['the current', side('x', 'v2'), side('y', 'v1'), 'x'],
  ])('takes %s when it is newer', (_, current, incoming, value) => {
    expect(merger.merge(current, incoming)).toBe(value);
  });
});
