/** Writes, reads, scans, deletions of groups and checkpoints that fail, all at a time, on a slow engine. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { FakeNodeLog } from '../../../testing/fake-node-log.js';
import { drawOf } from '../../hashring/pseudo-random.js';
import { type PageMark, type StrongRecord } from '../../ports/strong-store.js';
import { MemoryStoreEngine } from '../engines/memory-store-engine.js';
import { type StoreEntry, type StoreOperation, type StoreRange } from '../engines/store-engine.js';
import { decodeRecord, expiryRange, markInExpiryKey, markInRecordKey, recordsRange } from './strong-keys.js';
import { StrongRecords } from './strong-records.js';

const GROUPS = 3;
const KEYS = 600;

class SlowEngine extends MemoryStoreEngine {
  isFaulty = true;
  constructor(private readonly draw: (below: number) => number) {
    super();
  }

  async wait(): Promise<void> {
    for (let left = this.draw(4); left > 0; left--) {
      await turn();
    }
  }

  override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const copy = Uint8Array.from(key);
    await this.wait();
    const found = await super.get(copy);
    await this.wait();
    return found;
  }

  override async batch(operations: readonly StoreOperation[]): Promise<void> {
    const copies = operations.map((one): StoreOperation =>
      one.type === 'put'
        ? { type: 'put', key: Uint8Array.from(one.key), value: Uint8Array.from(one.value) }
        : { type: 'del', key: Uint8Array.from(one.key) },
    );
    await this.wait();
    const fails = this.isFaulty && this.draw(6) === 0;
    if (fails && this.draw(2) === 0) {
      throw new Error('No space left on device');
    }
    await super.batch(copies);
    await this.wait();
    if (fails) {
      throw new Error('No space left on device');
    }
  }

  override async *iterate(range: StoreRange): AsyncGenerator<StoreEntry> {
    const all: StoreEntry[] = [];
    for await (const entry of super.iterate(range)) {
      all.push(entry);
    }
    for (const [at, entry] of all.entries()) {
      if (at % 16 === 0) {
        await this.wait();
      }
      yield entry;
    }
  }

  nextTurn(): Promise<void> {
    return turn();
  }
}

const textOf = ({ namespace, key }: PageMark) => `${namespace}\0${key}`;

describe.each(Array.from({ length: 6 }, (_, at) => at + 1))(
  'the store under all at once, seed %i',
  (seed) => {
    it('shows what is newest, and leaves the engine with just that', async () => {
      let draws = 0;
      const draw = (below: number) => Math.floor(drawOf(seed, draws++) * below);
      const engine = new SlowEngine(draw);
      const log = new FakeNodeLog();
      const applied = Array<number>(GROUPS).fill(0);
      const store = await StrongRecords.open({
        engine,
        log,
        logger: new CapturedLog(),
        where: '/data/n1',
        cacheBytesMax: [0, 20_000, 100_000][seed % 3]!,
        dirtyBytesMax: 200_000,
        checkpointBytes: 1e9,
        onCheckpointDue: () => {},
      });
      store.attach(
        (group) => ({ applied: applied[group]!, generation: 1, bytes: Buffer.from(`${applied[group]}`) }),
        () => expect.unreachable(),
      );
      const model = Array.from({ length: GROUPS }, () => new Map<string, StrongRecord>());
      const clears = Array<number>(GROUPS).fill(0);
      const clearing = new Set<number>();
      let index = 0;
      let isOver = false;
      const mark = () => {
        const at = draw(KEYS);
        return {
          group: at % GROUPS,
          namespace: at % 2 ? 'a' : 'b',
          key: `${at % 7 === 0 ? 'ü\u{10ffff}' : 'k'}${at}`,
        };
      };
      const writer = async () => {
        for (let step = 0; step < 900; step++) {
          for (let count = draw(25); count >= 0; count--) {
            const { group, namespace, key } = mark();
            if (clearing.has(group)) {
              continue;
            }
            applied[group] = ++index;
            if (draw(3) === 0) {
              model[group]!.delete(textOf({ namespace, key }));
              store.remove(group, namespace, key);
            } else {
              const record = {
                generation: 1,
                index,
                expiresAtMs: draw(2) === 0 ? 0 : 1_000 + draw(50),
                modifiedMs: index,
                value: Buffer.alloc(draw(30) === 0 ? draw(3_000) : draw(120), `${index} `),
              };
              model[group]!.set(textOf({ namespace, key }), record);
              store.put(group, namespace, key, record);
            }
          }
          await turn();
        }
        isOver = true;
      };
      const reader = async () => {
        while (!isOver) {
          const { group, namespace, key } = mark();
          const name = textOf({ namespace, key });
          const before = model[group]!.get(name)?.index ?? 0;
          const began = clears[group];
          const peeked = store.peek(group, namespace, key);
          if (peeked !== undefined) {
            expect(peeked?.index ?? 0).toBe(before);
          }
          const from = index;
          const record = await store.read(group, namespace, key);
          const now = model[group]!.get(name);
          if (began === clears[group]) {
            if (record && (record.index !== before || record.index !== now?.index)) {
              // Written meanwhile, else it must be what it was.
              expect(record.index === before || record.index > from).toBe(true);
            }
            if (!record && before !== 0 && now?.index === before) {
              expect.unreachable(`lost ${name}`);
            }
            if (record && now?.index === record.index) {
              expect(Buffer.compare(record.value, now.value)).toBe(0);
            }
          }
          if (draw(3) === 0) {
            await turn();
          }
        }
      };
      const checkpointer = async () => {
        while (!isOver) {
          await store.checkpoint().catch(() => undefined);
          for (let left = draw(6); left > 0; left--) {
            await turn();
          }
        }
      };
      const scanner = async () => {
        while (!isOver) {
          const group = draw(GROUPS);
          const began = clears[group];
          const before = new Map(model[group]);
          const found = new Map<string, StrongRecord>();
          let after: PageMark | undefined;
          for (;;) {
            const { records, done } = await store.scan(group, after, 1 + draw(2_000));
            records.forEach((one) => found.set(textOf(one), one.record));
            after = records.at(-1);
            if (done) {
              break;
            }
          }
          if (began === clears[group] && !clearing.has(group)) {
            for (const [name, { index: was }] of before) {
              const now = model[group]!.get(name);
              if (now?.index === was) {
                expect(found.get(name)?.index).toBe(was);
              }
            }
          }
          await store.expired(group, 1_020, 1 + draw(40));
          await turn();
        }
      };
      const clearer = async () => {
        while (!isOver) {
          for (let left = 40 + draw(80); left > 0; left--) {
            await turn();
          }
          const group = draw(GROUPS);
          clearing.add(group);
          clears[group]!++;
          model[group]!.clear();
          for (;;) {
            try {
              await store.clear(group);
              break;
            } catch {
              await turn();
            }
          }
          clears[group]!++;
          clearing.delete(group);
        }
      };
      await Promise.all([writer(), reader(), reader(), reader(), checkpointer(), scanner(), clearer()]);
      engine.isFaulty = false;
      await store.checkpoint();
      expect(store.metrics().dirtyBytes).toBe(0);
      for (let group = 0; group < GROUPS; group++) {
        const records = new Map<string, number>();
        for await (const { key, value } of engine.iterate(recordsRange(group))) {
          records.set(textOf(markInRecordKey(key)), decodeRecord(key, value)!.index);
        }
        expect(records).toEqual(new Map([...model[group]!].map(([name, one]) => [name, one.index])));
        const expiries: string[] = [];
        for await (const { key } of engine.iterate(expiryRange(group))) {
          const found = markInExpiryKey(key);
          expiries.push(`${textOf(found)} ${found.expiresAtMs}`);
        }
        const expected = [...model[group]!].filter(([, one]) => one.expiresAtMs > 0);
        expect(expiries.sort()).toEqual(expected.map(([name, one]) => `${name} ${one.expiresAtMs}`).sort());
      }
    });
  },
);
