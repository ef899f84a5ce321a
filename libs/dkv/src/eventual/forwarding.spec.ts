/** Writes that are passed on, and messages that come once more: also to a node that has started again meanwhile. */
import { beforeEach, describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { createTestCluster, type TestCluster } from '../../testing/simulation/sim-cluster.js';
import { type PeerRequest, type WriteResult } from '../model/peer-protocol.js';

describe('a write that is forwarded', () => {
  let cluster: TestCluster;
  let key: string;

  beforeEach(async () => {
    cluster = createTestCluster(4, { mode: 'eventual' });
    await cluster.start();
    key = cluster.keyWhere((list) => list.join() === 'a,b,c');
  });

  /** As `d` would send it to `a` now. */
  function message(): PeerRequest<'forward'> {
    const { view, clock } = cluster.node('d');
    const operation = {
      kind: 'addOrUpdate',
      id: { partition: cluster.ring.partitionOf(key), namespace: 'default', key },
      value: Buffer.from('v'),
      ttlMs: 0,
      level: 'quorum',
      requestId: '0123456789abcdef01234567',
    } as const;
    const ask = { operation, visited: ['d'], timeoutMs: 5_000 };
    return { kind: 'forward', ask, from: 'd', configuration: view.configuration, sentAtMs: clock.now() };
  }

  async function served(request: PeerRequest<'forward'>): Promise<WriteResult> {
    return (await cluster.settle(cluster.node('a').processor.serve(request))).answer;
  }

  it('takes effect once, though its message comes twice', async () => {
    const request = message();
    const first = await served(request);
    await cluster.put('b', key, 'later');
    expect(await served(request)).toEqual(first);
    expect(await cluster.get('a', key, { level: 'quorum' })).toBe('later');
  });

  it('is refused by a node that started after it was sent: the process before may have refused it', async () => {
    const request = message();
    cluster.kill('a');
    await cluster.start('a');
    const error = await cluster.settle(rejected(cluster.node('a').processor.serve(request)));
    expect(error.code).toBe('DKV_NOT_READY');
    expect(await cluster.get('d', key, { level: 'quorum' })).toBeUndefined();
  });

  it('is refused as well when only the clocks could make it look newer', async () => {
    cluster.kill('a');
    const starting = cluster.start('a');
    const request = { ...message(), sentAtMs: cluster.node('a').clock.now() + 499 };
    await starting;
    const error = await cluster.settle(rejected(cluster.node('a').processor.serve(request)));
    expect(error.code).toBe('DKV_NOT_READY');
  });

  it('is taken by a node as soon as it has started', async () => {
    cluster.kill('a');
    await cluster.start('a');
    expect((await served(message())).record).toMatchObject({ key });
  });
});
