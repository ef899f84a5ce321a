import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fill } from '../load/filling.js';
import { runLoad } from '../load/load-loop.js';
import { freePorts } from '../processes/free-port.js';
import { KEY_PLACES, WORKLOAD_NAMES, workloadOf } from '../workloads.js';
import { NodeApplication } from './node-application.js';

const KEYS = 60;
const VALUE_BYTES = 100;

describe('our nodes', () => {
  const nodes: NodeApplication[] = [];

  beforeAll(async () => {
    const ports = await freePorts(3);
    const list = ports.map((port, index) => `node${index + 1}=127.0.0.1:${port}`).join();
    const of = {
      nodes: list,
      apiKey: 'only-for-this-spec',
      dataDir: 'unused',
      storage: 'memory',
      hashFunc: 'md5',
    } as const;
    const starting = ports.map((_, index) =>
      NodeApplication.start({ ...of, nodeId: `node${index + 1}`, durability: 'wal' }),
    );
    nodes.push(...(await Promise.all(starting)));
    await Promise.all(nodes.map((node) => node.seeAllUp()));
    for (const place of KEY_PLACES) {
      const plan = { from: 0, to: KEYS, valueBytes: VALUE_BYTES, inFlight: 16 };
      await fill(nodes[0]!.storeOf(place, KEYS), plan);
    }
  });

  afterAll(() => Promise.all(nodes.map((node) => node.close())));

  it('take as keys held elsewhere only such ones', () => {
    const store = nodes[0]!.storeOf('elsewhere', KEYS);
    const keys = Array.from({ length: KEYS }, (_, index) => store.key(index));
    expect(new Set(keys).size).toBe(KEYS);
    expect(keys.filter((key) => nodes[0]!.holdersOf('elsewhere', key).includes('node1'))).toEqual([]);
    expect(nodes[0]!.holdersOf('held', keys[0]!)).toHaveLength(3);
  });

  it.each(WORKLOAD_NAMES)('do %s', async (workload) => {
    const { place, readLevel } = workloadOf(workload);
    const report = await runLoad(nodes[0]!.storeOf(place, KEYS, readLevel), {
      workload,
      keys: KEYS,
      valueBytes: VALUE_BYTES,
      inFlight: 4,
      seconds: 0.05,
      seed: 1,
    });
    expect(report).toMatchObject({ failures: 0, failure: undefined });
    expect(report.operations).toBeGreaterThan(0);
  });
});
