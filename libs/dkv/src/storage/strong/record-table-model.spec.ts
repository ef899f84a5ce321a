/** Random steps against a plain map, with all that the table counts counted anew after each. */
import { describe, expect, it } from 'vitest';
import { drawOf } from '../../hashring/pseudo-random.js';
import { type StrongRecord } from '../../ports/strong-store.js';
import { ABSENT, DIRTY, DIRTY_AT, NAMED, ROUND, UNKNOWN, wordOf } from './record-head.js';
import { type Slab } from './record-slabs.js';
import { type GroupTable } from './group-table.js';
import { RecordTable } from './record-table.js';

const GROUPS = 3;
const KEYS = 150;
const groupOf = (key: number) => [1, 2, 65_534][key % GROUPS]!;
const nameOf = (key: number) =>
  (key % 11 === 0 ? 'ü'.repeat(300) : key % 13 === 0 ? '\u{10ffff}' : 'k') + key;
const nsOf = (key: number) => (key % 2 === 0 ? 'a' : 'b');

interface Known {
  readonly record: StrongRecord | undefined;
}

/** As it is now. */
function copyOf(record: StrongRecord | undefined): StrongRecord | undefined {
  return (
    record && {
      generation: record.generation,
      index: record.index,
      expiresAtMs: record.expiresAtMs,
      modifiedMs: record.modifiedMs,
      value: Buffer.from(record.value),
    }
  );
}

class World {
  readonly engine = new Map<number, StrongRecord>();
  readonly model = new Map<number, StrongRecord>();
  /** What checkpoints have taken, by group. */
  readonly taken = new Map<number, { key: number; known: Known; position: number }[]>();
  /** What somebody has, and what it was when it was given out. */
  readonly shown: { record: StrongRecord; copy: StrongRecord }[] = [];
  index = 0;
  constructor(readonly table: RecordTable) {}
}

function check(world: World): void {
  const { table } = world;
  const { slabs } = table;
  let [bytes, count, named, dirtyBytes] = [0, 0, 0, 0];
  const takenBySlab = new Map<Slab, number>();
  for (const group of table.allGroups) {
    for (let at = group.settled; at < group.taken.length; at++) {
      const slab = slabs.at(group.taken[at]!);
      takenBySlab.set(slab, (takenBySlab.get(slab) ?? 0) + 1);
    }
    expect(new Set(group.dirty).size).toBe(group.dirty.length);
    group.dirty.forEach((position, at) => {
      const { words } = slabs.at(position);
      const word = wordOf(position);
      expect(slabs.flagsAt(position) & (NAMED | DIRTY)).toBe(NAMED | DIRTY);
      expect([words[word + DIRTY_AT], words[word + ROUND]]).toEqual([at, group.round]);
      expect(slabs.groupAt(position)).toBe(group.number);
    });
  }
  let dirtyNamed = 0;
  for (let slab = slabs.byAge.oldest; slab; slab = slab.newer) {
    count++;
    bytes += slab.bytes.length;
    let [n, nb, db] = [0, 0, 0];
    for (const position of slab.positions()) {
      const flags = slabs.flagsAt(position, slab);
      if (flags & NAMED) {
        n++;
        nb += slab.sizeAt(position);
        if (flags & DIRTY) {
          db += slab.sizeAt(position);
          dirtyNamed++;
        }
      }
    }
    expect([slab.named, slab.namedBytes, slab.dirtyBytes, slab.taken]).toEqual([
      n,
      nb,
      db,
      takenBySlab.get(slab) ?? 0,
    ]);
    named += nb;
    dirtyBytes += db;
  }
  expect([slabs.bytes, slabs.count, table.dirtyBytes]).toEqual([bytes, count, dirtyBytes]);
  expect((table as unknown as { namedBytes: number }).namedBytes).toBe(named);
  let listed = 0;
  for (const group of table.allGroups) {
    listed += group.dirty.length;
    for (let at = group.settled; at < group.taken.length; at++) {
      const position = group.taken[at]!;
      listed += Number(slabs.isNamedAt(position) && slabs.isDirtyAt(position));
    }
  }
  expect(listed).toBe(dirtyNamed);
  world.shown.forEach(({ record, copy }) => expect(copyOf(record)).toEqual(copy));
  for (let key = 0; key < KEYS; key++) {
    const position = table.find(nsOf(key), nameOf(key));
    const expected = world.model.get(key);
    if (position !== 0) {
      const record = slabs.passingAt(position);
      expect(record?.index).toBe(expected?.index);
      expect(record && [record.generation, record.expiresAtMs, Buffer.from(record.value).toString()]).toEqual(
        expected && [expected.generation, expected.expiresAtMs, Buffer.from(expected.value).toString()],
      );
      expect(table.markAt(position)).toEqual({ namespace: nsOf(key), key: nameOf(key) });
      const stored = slabs.storedAt(position);
      const isTaken = [...world.taken.values()].some((list) => list.some((one) => one.key === key));
      if (stored !== UNKNOWN && !isTaken) {
        expect(stored).toBe(world.engine.get(key)?.expiresAtMs ?? ABSENT);
      }
    } else {
      // Evicted: the engine must have what is newest.
      expect(world.engine.get(key)?.index).toBe(expected?.index);
    }
  }
}

describe.each(Array.from({ length: 8 }, (_, at) => at + 1))(
  'the table against a plain map, seed %i',
  (seed) => {
    it('keeps all counters and records', () => {
      let draws = 0;
      const draw = (below: number) => Math.floor(drawOf(seed, draws++) * below);
      const cache = [0, 8_000, 40_000, 1_000_000][seed % 4]!;
      const table = new RecordTable(cache, 100_000);
      const world = new World(table);
      const settleSome = (number: number, all: boolean) => {
        const group = table.group(number);
        const left = group.taken.length - group.settled;
        const to = group.settled + (all ? left : draw(left + 1));
        const list = world.taken.get(number)!;
        table.settle(group, to);
        if (to >= list.length) {
          world.taken.delete(number);
        }
      };
      for (let step = 0; step < 100; step++) {
        const kind = draw(20);
        if (kind < 9) {
          for (let count = draw(10); count >= 0; count--) {
            const key = draw(KEYS);
            const isRemoval = draw(4) === 0;
            const size = draw(12) === 0 ? draw(4_000) : draw(200);
            const index = ++world.index;
            const record = isRemoval
              ? undefined
              : {
                  generation: 2 ** 32 - 1 - draw(3),
                  index,
                  expiresAtMs: draw(2) === 0 ? 0 : 1_000 + draw(100),
                  modifiedMs: index,
                  value: Buffer.alloc(draw(10) === 0 ? 0 : size, `${index} `),
                };
            table.write(groupOf(key), nsOf(key), nameOf(key), record);
            if (record) {
              world.model.set(key, record);
            } else {
              world.model.delete(key);
            }
          }
        } else if (kind < 12) {
          for (let count = draw(10); count >= 0; count--) {
            const key = draw(KEYS);
            if (table.find(nsOf(key), nameOf(key)) === 0) {
              table.load(groupOf(key), nsOf(key), nameOf(key), world.engine.get(key));
            }
          }
        } else if (kind < 14) {
          for (let count = draw(20); count >= 0; count--) {
            const key = draw(KEYS);
            const position = table.find(nsOf(key), nameOf(key));
            if (position !== 0) {
              table.use(position);
            }
          }
          const position = table.find(nsOf(step), nameOf(step));
          const record = position === 0 ? undefined : table.slabs.recordAt(position);
          if (record) {
            world.shown.push({ record, copy: copyOf(record)! });
          }
        } else if (kind < 16) {
          const number = groupOf(draw(GROUPS));
          if (!world.taken.has(number)) {
            const positions = table.take(table.group(number));
            const list = positions.map((position) => {
              const { key } = table.markAt(position);
              const at = Array.from({ length: KEYS }, (_, one) => one).find((one) => nameOf(one) === key)!;
              return { key: at, known: { record: copyOf(table.slabs.passingAt(position)) }, position };
            });
            if (list.length > 0) {
              world.taken.set(number, list);
            }
          }
        } else if (kind < 18) {
          const [number, list] = [...world.taken][draw(Math.max(1, world.taken.size))] ?? [];
          if (number !== undefined && list) {
            const group = table.group(number);
            if (group.settled === 0) {
              // Still as they were taken.
              list.forEach(({ known, position }) => {
                expect(copyOf(table.slabs.passingAt(position))).toEqual(known.record);
              });
              if (draw(4) === 0) {
                const isApplied = draw(2) === 0;
                if (isApplied) {
                  list.forEach(({ key, known }) =>
                    known.record ? world.engine.set(key, known.record) : world.engine.delete(key),
                  );
                }
                table.giveBack(group);
                world.taken.delete(number);
              } else {
                list.forEach(({ key, known }) =>
                  known.record ? world.engine.set(key, known.record) : world.engine.delete(key),
                );
                settleSome(number, draw(2) === 0);
              }
            } else {
              settleSome(number, draw(2) === 0);
            }
          }
        } else if (kind < 19 && draw(3) === 0) {
          const number = groupOf(draw(GROUPS));
          const group: GroupTable = table.group(number);
          table.drop(group);
          if (world.taken.has(number)) {
            if (group.settled > 0 || draw(2) === 0) {
              settleSome(number, true);
            } else {
              table.giveBack(group);
            }
            world.taken.delete(number);
          }
          for (let key = 0; key < KEYS; key++) {
            if (groupOf(key) === number) {
              world.model.delete(key);
              world.engine.delete(key);
            }
          }
        } else {
          for (let left = 100; table.shrink() && left > 0; left--);
        }
        check(world);
      }
    });
  },
);
