/** What a node answers its peers without waiting, from memory: the same as when it is waited for, or nothing. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { isDkvError } from '../dkv.errors.js';
import { type PeerRequest } from '../model/peer-protocol.js';

let cluster: TestCluster;
let key: string;

beforeEach(async () => {
  cluster = createTestCluster(4, { mode: 'eventual' });
  await cluster.start();
  key = cluster.keyWhere((list) => list.join() === 'a,b,c');
  await cluster.put('a', key, 'v');
});

/** As `from` would ask `a`. */
function question(from = 'd', name = key, beside = 0): PeerRequest<'get'> {
  const { view, clock } = cluster.node('a');
  const id = { partition: cluster.ring.partitionOf(name) + beside, namespace: 'default', key: name };
  return { kind: 'get', ask: { id }, from, configuration: view.configuration, sentAtMs: clock.now() };
}

describe('a peer that asks for a record in memory', () => {
  it('is given at once what it would be given later', async () => {
    const { processor } = cluster.node('a');
    const later = await cluster.settle(processor.serve(question()));
    expect(later.answer.record?.key).toBe(key);
    expect(processor.serveNow(question())).toEqual(later);
  });

  it('is given the tombstone of what was deleted', async () => {
    await cluster.remove('a', key);
    const reply = cluster.node('a').processor.serveNow(question());
    expect(reply?.answer).toMatchObject({ record: { key, tombstone: true } });
  });

  it('is refused as it would be later', () => {
    const { processor, clock } = cluster.node('a');
    const refusals = [
      [question('stranger'), 'DKV_CONFIGURATION_MISMATCH'],
      [{ ...question(), configuration: 'another' }, 'DKV_CONFIGURATION_MISMATCH'],
      [{ ...question(), sentAtMs: clock.now() + 60_000 }, 'DKV_CLOCK_SKEW'],
    ] as const;
    for (const [request, code] of refusals) {
      expect(() => processor.serveNow(request)).toThrow(
        expect.toSatisfy((error) => isDkvError(error, code)) as Error,
      );
    }
  });

  it('is told nothing at once of another key, in another partition, of another kind, by a node that stops', async () => {
    const { processor } = cluster.node('a');
    expect(processor.serveNow(question('d', 'never asked for'))).toBeUndefined();
    expect(processor.serveNow(question('d', key, 1))).toBeUndefined();
    expect(processor.serveNow({ ...question(), kind: 'getNoValue' })).toBeUndefined();
    const stopping = processor.stop();
    expect(processor.serveNow(question())).toBeUndefined();
    await cluster.settle(stopping);
  });
});
