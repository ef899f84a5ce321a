/** What a start keeps of the entries that the store shows already: the last ones, and few bytes of them. */
import { expect, it } from 'vitest';
import { GroupReplay } from './group-replay.js';

const STATE = { applied: 10_000, generation: 1, bytes: new Uint8Array(0) };

function replayed(lastIndex: number, bytes: number, state = STATE): GroupReplay {
  const replay = new GroupReplay(state);
  replay.counts(1);
  for (let index = 1; index <= lastIndex; index++) {
    replay.add(1, index, 'operations', new Uint8Array(bytes).fill(index));
  }
  return replay;
}

const bytesOf = ({ entries }: GroupReplay) => entries.reduce((sum, { data }) => sum + data.length, 0);

it('is all that the store does not show, and the last thousands of what it does, behind a place', () => {
  const { entries } = replayed(10_100, 1);
  expect(entries[0]).toMatchObject({ index: 10_000 - 4_096, data: new Uint8Array(0) });
  expect(entries[1]!.data).toHaveLength(1);
  expect(entries.map(({ index }) => index)).toEqual(
    Array.from({ length: 4_197 }, (_, at) => 10_000 - 4_096 + at),
  );
});

it('is a few of them where they are large, the last one in any case', () => {
  const medium = replayed(10_100, 1_000);
  expect(bytesOf(medium)).toBeGreaterThan(100 * 1_000 + 256 * 1_000);
  expect(bytesOf(medium)).toBeLessThanOrEqual(100 * 1_000 + 512 * 1_024);
  const large = replayed(10_001, 1_000_000);
  expect(large.entries.map(({ index }) => index)).toEqual([10_000, 10_001]);
});

it('counts no bytes twice where entries are written over', () => {
  const replay = replayed(9_999, 1_000);
  const before = replay.entries.length;
  for (let round = 0; round < 1_000; round++) {
    replay.add(2, 9_998, 'operations', new Uint8Array(1_000));
    replay.add(2, 9_999, 'operations', new Uint8Array(1_000));
  }
  expect(replay.entries.length).toBe(before);
  replay.add(2, 10_000, 'operations', new Uint8Array(1_000));
  expect(replay.entries.slice(-3).map(({ term, index }) => [term, index])).toEqual([
    [2, 9_998],
    [2, 9_999],
    [2, 10_000],
  ]);
});

it('is a copy: what it was read from is used again', () => {
  const replay = new GroupReplay(undefined);
  replay.counts(1);
  const data = Uint8Array.of(1);
  replay.add(1, 1, 'operations', data);
  data[0] = 2;
  expect([...replay.entries[0]!.data]).toEqual([1]);
});
