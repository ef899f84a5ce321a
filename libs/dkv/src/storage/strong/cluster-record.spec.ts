/** The group above all partitions, with a record that is no user's. */
import { describe, expect, it } from 'vitest';
import { CapturedLog } from '../../../testing/captured-log.js';
import { FakeNodeLog } from '../../../testing/fake-node-log.js';
import { FaultyStoreEngine } from '../../../testing/faulty-store-engine.js';
import { CLUSTER_NAMESPACE, CONFIGURATION_GROUP } from '../../model/membership.js';
import { type StrongRecord } from '../../ports/strong-store.js';
import { StrongRecords } from './strong-records.js';

const recordOf = (index: number, expiresAtMs = 0): StrongRecord => ({
  generation: 1,
  index,
  expiresAtMs,
  modifiedMs: 1_700_000_000_000,
  value: Buffer.from(`${index}`),
});

class Bench {
  readonly engine = new FaultyStoreEngine();
  readonly applied = new Map<number, number>();
  store!: StrongRecords;

  static async open(): Promise<Bench> {
    const bench = new Bench();
    await bench.reopen();
    return bench;
  }

  async reopen(): Promise<void> {
    this.store = await StrongRecords.open({
      engine: this.engine,
      log: new FakeNodeLog(),
      logger: new CapturedLog(),
      where: '/data/n1',
      cacheBytesMax: 1e9,
      dirtyBytesMax: 1e6,
      checkpointBytes: 1e9,
      onCheckpointDue: () => undefined,
    });
    this.store.attach(
      (group) => ({ applied: this.applied.get(group) ?? 0, generation: 2, bytes: Buffer.from('state') }),
      () => undefined,
    );
  }

  put(key: string, record: StrongRecord, group = 1): void {
    this.applied.set(group, record.index);
    this.store.put(group, 'ns', key, record);
  }

  async value(key: string, group = 1): Promise<string | undefined> {
    const record = await this.store.read(group, 'ns', key);
    return record && Buffer.from(record.value).toString();
  }
}

describe('the record of the cluster itself', () => {
  it('is kept, found, shown in pages and counted as nobody else’s', async () => {
    const bench = await Bench.open();
    const put = (index: number, expiresAtMs: number) => {
      bench.applied.set(CONFIGURATION_GROUP, index);
      bench.store.put(CONFIGURATION_GROUP, CLUSTER_NAMESPACE, 'c', recordOf(index, expiresAtMs));
    };
    bench.put('k', recordOf(1));
    put(1, 0);
    expect(Object.keys(Object.fromEntries(bench.store.metrics().usage))).toEqual(['ns']);
    await bench.store.checkpoint();
    await bench.reopen();
    expect(Object.keys(Object.fromEntries(bench.store.metrics().usage))).toEqual(['ns']);
    const read = await bench.store.read(CONFIGURATION_GROUP, CLUSTER_NAMESPACE, 'c');
    expect(read).toMatchObject({ index: 1 });
    expect(bench.store.find(CLUSTER_NAMESPACE, 'c')?.group).toBe(CONFIGURATION_GROUP);
    const page = await bench.store.scan(CONFIGURATION_GROUP, undefined, 1_000);
    expect(page.records).toMatchObject([{ namespace: CLUSTER_NAMESPACE, key: 'c', record: { index: 1 } }]);
    const mark = { namespace: CLUSTER_NAMESPACE, key: 'b' };
    expect((await bench.store.scan(CONFIGURATION_GROUP, mark, 1_000)).records).toHaveLength(1);
    put(2, 500);
    await bench.store.checkpoint();
    await bench.reopen();
    expect(bench.store.mayExpire(CONFIGURATION_GROUP)).toBe(true);
    expect(await bench.store.expired(CONFIGURATION_GROUP, 500, 10)).toMatchObject([
      { namespace: CLUSTER_NAMESPACE, key: 'c', record: { index: 2 } },
    ]);
    bench.store.remove(CONFIGURATION_GROUP, CLUSTER_NAMESPACE, 'c');
    await bench.store.checkpoint();
    await bench.reopen();
    expect(await bench.store.read(CONFIGURATION_GROUP, CLUSTER_NAMESPACE, 'c')).toBeUndefined();
    expect(await bench.value('k')).toBe('1');
  });

  it('leaves nothing with its group, whose place stays, and whose number serves again', async () => {
    const bench = await Bench.open();
    bench.put('k', recordOf(5, 5_000), CONFIGURATION_GROUP);
    bench.put('other', recordOf(1));
    await bench.store.checkpoint();
    await bench.store.clear(CONFIGURATION_GROUP);
    expect(bench.engine.batches.at(-1)).toMatchObject({ sync: true });
    bench.put('other', recordOf(2));
    await bench.store.checkpoint();
    await bench.reopen();
    expect(bench.store.states.get(CONFIGURATION_GROUP)?.applied).toBe(5);
    expect(await bench.value('k', CONFIGURATION_GROUP)).toBeUndefined();
    expect(bench.store.mayExpire(CONFIGURATION_GROUP)).toBe(false);
    bench.put('k', recordOf(7), CONFIGURATION_GROUP);
    await bench.store.checkpoint();
    await bench.reopen();
    expect(bench.store.states.get(CONFIGURATION_GROUP)?.applied).toBe(7);
    expect(await bench.value('k', CONFIGURATION_GROUP)).toBe('7');
  });
});
