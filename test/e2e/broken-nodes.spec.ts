/** Nodes that die, hang, are away: nothing acknowledged is lost, nothing deleted returns, answers stay honest. */
import { describe, expect, it } from 'vitest';
import { useCluster } from './demo-cluster.js';
import { type DemoNode } from './demo-node.js';
import { fewAtOnce } from './few-at-once.js';
import { until } from './until.js';
import { WriteStream } from './write-stream.js';

const LEVELS = ['one', 'quorum'] as const;

/** Each test leaves all three nodes running. */
describe('a cluster whose nodes break', { timeout: 300_000 }, () => {
  // Eventual, for its levels; the chaos tests break strong namespaces.
  const cluster = useCluster(3, { env: { DKV_MODE: 'eventual' } });
  const three = () => cluster().nodes as readonly [DemoNode, DemoNode, DemoNode];
  const deleted: string[] = [];

  it('loses no acknowledged write when a node is killed in the middle of them', async () => {
    const [first, second, victim] = three();
    const writes = new WriteStream(three(), 'killed');
    await until('writes to be under way', async () => writes.acknowledged.length > 60);
    await victim.kill9();
    const atTheKill = writes.acknowledged.length;
    await until('writes to go on without it', async () => writes.acknowledged.length > atTheKill + 60);
    await writes.end();

    expect([...writes.statuses]).toContain(200);
    expect([200, 503, 504]).toEqual(expect.arrayContaining([...writes.statuses]));
    expect(writes.unanswered.filter(({ node }) => node !== victim)).toEqual([]);

    for (const node of [first, second]) {
      expect(await writes.missing(node, 'quorum')).toEqual([]);
    }
    // A node reads at every level what was written through it.
    for (const node of [first, second]) {
      expect(await writes.missing(node, 'one', ({ node: writer }) => writer === node)).toEqual([]);
    }
    for (const { key } of writes.refused) {
      expect((await first.http.get(key, 'quorum')).status).toBe(404);
    }

    await victim.start();
    for (const level of LEVELS) {
      expect(await writes.missing(victim, level)).toEqual([]);
    }
    for (const node of [first, second]) {
      await until(`${node.id} to hold every write itself`, async () => {
        return (await writes.missing(node, 'one')).length === 0;
      });
    }
    await cluster().settled();
  });

  it.each(['stopped', 'killed'])('brings no key back that was deleted while a node was %s', async (how) => {
    const [first, second, away] = three();
    const keys = Array.from({ length: 40 }, (_, n) => `deleted while ${how} ${n}`);
    await fewAtOnce(keys, (key) => first.http.put(key, 'old', '?consistency=all'));
    await (how === 'stopped' ? away.stop() : away.kill9());
    const deletes = await fewAtOnce(keys, (key) => second.http.remove(key));
    expect(deletes.map(({ body }) => body)).toEqual(keys.map(() => ({ removed: true })));

    await away.start();
    await assertGone(away, keys);
    await assertGone(second, keys);
    await until('the third node to have learned of the deletes', () =>
      assertGone(first, keys).then(() => true),
    );
    await cluster().settled();
    deleted.push(...keys);
  });

  it('stays ready but degraded while a node is down, and tells which', async () => {
    const [first, second, away] = three();
    await away.kill9();
    await Promise.all([first.sees(away, 'down'), second.sees(away, 'down')]);
    const degraded = await first.http.send('GET', '/health/ready');
    expect(degraded).toMatchObject({ status: 200, body: { status: 'degraded' } });
    expect(await first.view()).toEqual({ node1: 'up', node2: 'up', node3: 'down' });
    expect((await first.http.put('written by two', 1)).status).toBe(200);

    await away.start();
    await cluster().settled();
    for (const node of three()) {
      await until(`${node.id} to be well again`, async () => {
        const { status, body } = await node.http.send('GET', '/health/ready');
        return status === 200 && body.status === 'ok';
      });
    }
    expect((await away.http.get('written by two')).body.value).toBe(1);
  });

  it('refuses writes without a majority, writing nothing, and still reads at level one', async () => {
    const [left, second, third] = three();
    await left.http.put('before the outage', 'kept', '?consistency=all');
    await Promise.all([second.kill9(), third.kill9()]);
    await Promise.all([left.sees(second, 'down'), left.sees(third, 'down')]);

    const refused = { status: 503, body: { code: 'DKV_QUORUM_NOT_REACHED' } };
    expect(await left.http.put('before the outage', 'lost')).toMatchObject(refused);
    expect(await left.http.put('new in the outage', 1)).toMatchObject(refused);
    expect(await left.http.remove('before the outage')).toMatchObject(refused);
    expect(await left.http.get('before the outage', 'quorum')).toMatchObject(refused);
    expect((await left.http.get('before the outage', 'one')).body.value).toBe('kept');
    expect(await left.http.get('new in the outage', 'one')).toMatchObject({ status: 404 });
    expect((await left.http.send('GET', '/health/ready')).status).toBe(200);

    await Promise.all([second.start(), third.start()]);
    await cluster().settled();
    for (const node of three()) {
      expect((await node.http.get('before the outage', 'quorum')).body.value).toBe('kept');
      expect((await node.http.get('new in the outage', 'quorum')).status).toBe(404);
    }
  });

  it('goes on without a node that hangs, and brings it up to date when it wakes', async () => {
    const [first, second, asleep] = three();
    asleep.pause();
    await Promise.all([first.sees(asleep, 'down'), second.sees(asleep, 'down')]);
    const keys = Array.from({ length: 20 }, (_, n) => `written while one slept ${n}`);
    const writes = await fewAtOnce(keys, (key, n) => [first, second][n % 2]!.http.put(key, n));
    expect(writes.map(({ status }) => status)).toEqual(keys.map(() => 200));
    asleep.resume();
    await cluster().settled();
    await until('the node that slept to have caught up', async () => {
      const reads = await fewAtOnce(keys, (key) => asleep.http.get(key, 'one'));
      return reads.every(({ body }, n) => body.value === n);
    });
  });

  it('keeps values and deletes over a stop of all nodes at once', async () => {
    const [first, second, third] = three();
    const keys = Array.from({ length: 50 }, (_, n) => `before the night ${n}`);
    const written = await fewAtOnce(keys, (key, n) => three()[n % 3]!.http.put(key, n));
    const endings = await Promise.all([first.stop(), second.stop('SIGINT'), third.stop()]);
    expect(endings).toEqual(endings.map(() => ({ code: 0, signal: null })));

    await cluster().startAll();
    for (const node of three()) {
      const reads = await fewAtOnce(keys, (key) => node.http.get(key, 'quorum'));
      expect(reads.map(({ body }) => body.version)).toEqual(written.map(({ body }) => body.version));
      await assertGone(node, deleted);
    }
  });
});

async function assertGone(node: DemoNode, keys: readonly string[]): Promise<void> {
  for (const level of LEVELS) {
    const reads = await fewAtOnce(keys, (key) => node.http.get(key, level));
    expect(reads.map(({ status }) => status)).toEqual(keys.map(() => 404));
  }
}
