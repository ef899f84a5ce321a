import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { FakeNodeLog } from '../../../testing/fake-node-log.js';
import { FaultyStoreEngine } from '../../../testing/faulty-store-engine.js';
import { drawOf } from '../../hashring/pseudo-random.js';
import { UsageCount } from '../../model/usage.js';
import { type KeyedRecord, type PageMark, type StrongRecord } from '../../ports/strong-store.js';
import { compareMarks } from './strong-keys.js';
import { StrongRecords } from './strong-records.js';

const GROUPS = 3;
const NAMESPACES = ['a', 'b', 'ab'];
const NAMES = ['k', 'é', '\uffff', '\u{10ffff}', 'x'.repeat(300)];

/** What an entry of the log says. */
interface Command {
  readonly index: number;
  readonly namespace?: string;
  readonly key?: string;
  readonly expiresAtMs?: number;
  /** Of the value; absent for a removal. */
  readonly bytes?: number;
  readonly isClear?: boolean;
}

interface Mark extends PageMark {
  readonly group: number;
}

const textOf = ({ namespace, key }: PageMark) => `${namespace}\0${key}`;
const shown = (record: StrongRecord | null | undefined) =>
  record && {
    generation: record.generation,
    index: record.index,
    expiresAtMs: record.expiresAtMs,
    modifiedMs: record.modifiedMs,
    value: Buffer.from(record.value).toString(),
  };
const shownAll = (records: readonly KeyedRecord[]) =>
  records.map(({ namespace, key, record }) => ({ namespace, key, record: shown(record) }));

class Model {
  readonly groups = Array.from({ length: GROUPS }, () => new Map<string, KeyedRecord>());
  readonly applied = Array<number>(GROUPS).fill(0);

  apply(group: number, { index, namespace, key, expiresAtMs, bytes, isClear }: Command): void {
    const records = this.groups[group]!;
    this.applied[group] = index;
    if (isClear) {
      records.clear();
    } else if (bytes === undefined) {
      records.delete(textOf({ namespace: namespace!, key: key! }));
    } else {
      const record = {
        generation: 1,
        index,
        expiresAtMs: expiresAtMs!,
        modifiedMs: 1_700_000_000_000 + index,
        value: Buffer.alloc(bytes, `${index} `),
      };
      const keyed = { namespace: namespace!, key: key!, record };
      records.set(textOf(keyed), keyed);
    }
  }

  all(group: number): KeyedRecord[] {
    return [...this.groups[group]!.values()].sort(compareMarks);
  }

  get({ group, ...mark }: Mark): StrongRecord | undefined {
    return this.groups[group]!.get(textOf(mark))?.record;
  }
}

class Node {
  engine = new FaultyStoreEngine();
  log = new FakeNodeLog();
  model = new Model();
  store!: StrongRecords;

  async open(cacheBytesMax: number): Promise<void> {
    const { engine, log } = this;
    this.model = new Model();
    const model = this.model;
    this.store = await StrongRecords.open({
      engine,
      log,
      logger: new CapturedLog(),
      where: '/data/n1',
      cacheBytesMax,
      dirtyBytesMax: 1e6,
      checkpointBytes: 1e9,
      onCheckpointDue: () => {},
    });
    this.store.attach(
      (group) => ({
        applied: model.applied[group]!,
        generation: 1,
        bytes: Buffer.from(`${model.applied[group]}`),
      }),
      () => expect.unreachable(),
    );
    const entries: [number, Command][] = [];
    log.replay({
      entry: (group, _generation, _term, _index, _kind, data) =>
        entries.push([group, JSON.parse(Buffer.from(data).toString()) as Command]),
    });
    const stored = Array.from({ length: GROUPS }, (_, group) => this.store.states.get(group)?.applied ?? 0);
    for (const [group, command] of entries) {
      model.apply(group, command);
      if (command.index > stored[group]!) {
        await this.applyToStore(group, command);
      }
    }
    // Rule 4: the store is never ahead of what the log has.
    stored.forEach((applied, group) => expect(applied).toBeLessThanOrEqual(model.applied[group]!));
  }

  async write(group: number, command: Omit<Command, 'index'>): Promise<void> {
    const index = this.model.applied[group]! + 1;
    const data = Buffer.from(JSON.stringify({ ...command, index }));
    this.log.addEntry(group, 1, 1, index, 'operations', data);
    this.log.flush(() => undefined);
    this.model.apply(group, { ...command, index });
    await this.applyToStore(group, { ...command, index });
  }

  private async applyToStore(group: number, command: Command): Promise<void> {
    const { namespace, key, isClear } = command;
    if (isClear) {
      const clearing = this.store.clear(group);
      this.log.makeDurable();
      await clearing;
      return;
    }
    const record = this.model.get({ group, namespace: namespace!, key: key! });
    if (record) {
      this.store.put(group, namespace!, key!, record);
    } else {
      this.store.remove(group, namespace!, key!);
    }
  }
}

async function pages(store: StrongRecords, group: number, bytesMax: number): Promise<KeyedRecord[]> {
  const all: KeyedRecord[] = [];
  for (let isDone = false; !isDone;) {
    const { records, done } = await store.scan(group, all.at(-1), bytesMax);
    expect(records.length > 0 || done).toBe(true);
    all.push(...records);
    isDone = done;
  }
  return all;
}

describe.each(Array.from({ length: 12 }, (_, at) => at + 1))('against a plain map, seed %i', (seed) => {
  it('shows the same after every step, evictions, checkpoints and crashes among them', async () => {
    let draws = 0;
    const draw = (below: number) => Math.floor(drawOf(seed, draws++) * below);
    const cacheBytesMax = [0, 12_000, 1e9][seed % 3]!;
    const node = new Node();
    await node.open(cacheBytesMax);
    const mark = (): Mark => {
      const at = draw(120);
      const key = `${at % 5 === 0 ? NAMES[draw(NAMES.length)] : 'key'}${at}`;
      return { group: at % GROUPS, namespace: NAMESPACES[at % NAMESPACES.length]!, key };
    };
    const expiry = () => (draw(2) === 0 ? 0 : 1_000 + draw(1_000));
    const checkpoint = () => node.store.checkpoint().catch(() => undefined);
    let running: Promise<unknown> = Promise.resolve();
    for (let step = 0; step < 300; step++) {
      const kind = draw(40);
      if (kind < 20) {
        for (let count = draw(12); count >= 0; count--) {
          const { group, namespace, key } = mark();
          const bytes = draw(10) === 0 ? 2_000 : draw(200);
          const put = { namespace, key, expiresAtMs: expiry(), bytes };
          await node.write(group, draw(4) === 0 ? { namespace, key } : put);
        }
      } else if (kind < 26) {
        running = checkpoint();
      } else if (kind < 27) {
        node.engine.error = draw(2) === 0 ? new Error('No space left on device') : undefined;
        node.engine.failFrom = node.engine.batches.length + draw(3);
      } else if (kind < 28) {
        node.log.isPrompt = draw(2) === 0;
      } else if (kind < 29) {
        node.log.makeDurable();
      } else if (kind < 31) {
        // Killed, in the middle of a checkpoint where one runs.
        node.engine = await node.engine.survivor();
        node.log = node.log.crashed();
        await node.open(cacheBytesMax);
        running = Promise.resolve();
      } else if (kind < 32) {
        node.engine.error = undefined;
        node.log.isPrompt = true;
        node.log.makeDurable();
        await running;
        await node.write(draw(GROUPS), { isClear: true });
      } else if (kind < 35) {
        const group = draw(GROUPS);
        const expected = shownAll(node.model.all(group));
        const scanning = pages(node.store, group, 1 + draw(3_000));
        void checkpoint();
        expect(shownAll(await scanning)).toEqual(expected);
      } else if (kind < 37) {
        const [group, nowMs, limit] = [draw(GROUPS), 900 + draw(1_200), 1 + draw(30)];
        const expected = node.model
          .all(group)
          .filter(({ record }) => record.expiresAtMs > 0 && record.expiresAtMs <= nowMs)
          .sort((a, b) => a.record.expiresAtMs - b.record.expiresAtMs);
        const asking = node.store.expired(group, nowMs, limit);
        void checkpoint();
        const found = await asking;
        const times = (records: readonly KeyedRecord[]) => records.map(({ record }) => record.expiresAtMs);
        expect(times(found)).toEqual(times(expected).slice(0, limit));
        expect(shownAll(expected)).toEqual(expect.arrayContaining(shownAll(found)));
        expect(new Set(found.map(textOf)).size).toBe(found.length);
      }
      for (let count = 0; count < 3; count++) {
        const { group, namespace, key } = mark();
        const expected = shown(node.model.get({ group, namespace, key }));
        const peeked = node.store.peek(group, namespace, key);
        if (peeked !== undefined) {
          expect(shown(peeked) ?? undefined).toEqual(expected);
        }
        expect(node.store.peek((group + 1) % GROUPS, namespace, key)).toBeUndefined();
        expect(shown(await node.store.read(group, namespace, key))).toEqual(expected);
      }
    }
    node.engine.error = undefined;
    node.log.isPrompt = true;
    node.log.makeDurable();
    await node.store.checkpoint();
    const { cacheBytes, dirtyBytes, usage } = node.store.metrics();
    expect(dirtyBytes).toBe(0);
    const expected = new UsageCount();
    for (const { namespace, key, record } of node.model.groups.flatMap((records) => [...records.values()])) {
      expected.add(namespace, 1, Buffer.byteLength(key) + record.value.length);
    }
    // Records that expire are all looked up before they are replaced, so nothing is estimated here.
    expect(usage).toEqual(expected.byNamespace);
    // The slab that is being filled stays.
    expect(cacheBytes).toBeLessThanOrEqual(cacheBytesMax + 2_048);
  });
});
