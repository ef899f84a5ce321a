/** Incidents as an operator meets them: health, `/cluster`, metrics and log agree with what a write meets. */
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { API_KEY, useCluster } from './demo-cluster.js';
import { type DemoNode } from './demo-node.js';
import { samplesOf } from './metrics-text.js';
import { until } from './until.js';

const PLAYED_CLOCK = fileURLToPath(new URL('./played-clock.mjs', import.meta.url));
const PLAYED_DISK = fileURLToPath(new URL('./played-disk.mjs', import.meta.url));

const gauge = async (node: DemoNode, name: string) =>
  samplesOf((await node.http.send('GET', '/metrics')).text).get(name);

const readyOf = (node: DemoNode) => node.http.send('GET', '/health/ready');

const shown = async (node: DemoNode, key: string) => {
  const { status, body } = await node.http.get(key);
  return [status, body.value];
};

/** Every copy has it: a majority that acknowledged it may be the very nodes that are hurt next. */
async function putEverywhere(nodes: readonly DemoNode[], key: string): Promise<void> {
  await nodes[0]!.http.put(key, 1);
  for (const node of nodes) {
    await until(`${node.id} to show what was written`, async () => (await shown(node, key))[1] === 1);
  }
}

describe('two of three disks, replaced one after the other without waiting', { timeout: 300_000 }, () => {
  const cluster = useCluster(3);

  it('leave no green light: every write is refused at once, and the node that has its disk says why', async () => {
    const [first, second, third] = cluster().nodes as readonly [DemoNode, DemoNode, DemoNode];
    await putEverywhere(cluster().nodes, 'before');
    const before = third.log.length;
    for (const victim of [first, second]) {
      await victim.kill9();
      await rm(victim.dataDir, { recursive: true });
      victim.launch();
    }
    await until('the third node to see what is missing', async () => {
      const { body, text } = await readyOf(third);
      return body.status === 'degraded' && /node1 \(no voter yet.*node2 \(no voter yet/.test(text);
    });
    expect((await readyOf(third)).status).toBe(200);
    expect((await readyOf(third)).text).toContain('64 partitions take no writes');
    for (const node of [first, second]) {
      await until(`${node.id} to say what it lacks`, async () => {
        const { status, text } = await readyOf(node);
        return status === 503 && /a majority of the members of 64 partitions .* has forgotten/.test(text);
      });
    }
    expect(await gauge(third, 'dkv_groups_without_quorum')).toBe(64);
    expect(await gauge(third, 'dkv_partitions_under_replicated')).toBe(64);
    expect((await third.http.send('GET', '/cluster')).body.nodes).toMatchObject([
      {
        nodeId: 'node1',
        state: 'up',
        votersMissing: 64,
        reason: expect.stringMatching(/no voter yet/) as string,
      },
      {
        nodeId: 'node2',
        state: 'up',
        votersMissing: 64,
        reason: expect.stringMatching(/no voter yet/) as string,
      },
      { nodeId: 'node3', state: 'up', votersMissing: 0, reason: '' },
    ]);
    for (const node of cluster().nodes) {
      const { status, body } = await node.http.put('during', 1);
      expect([status, body.code]).toEqual([503, 'DKV_QUORUM_NOT_REACHED']);
      // Callers of the application are told no insides. Who waited for its time to be over would be told that nobody leads.
      const headers = { 'x-api-key': API_KEY };
      const writing = { headers, body: JSON.stringify({ key: 'during', value: 'AQ==' }) };
      const refused = await node.peerHttp.send('POST', '/kv', writing);
      expect(refused.body.message).toMatch(/missing: .*node1 \(no voter yet/);
    }
    expect(third.log.slice(before).match(/Now 64 partitions take no writes/g)).toHaveLength(1);
    expect(await shown(third, 'before')).toEqual([200, 1]);
  });
});

describe('the disks of two of three nodes, full', { timeout: 300_000 }, () => {
  const cluster = useCluster(3);

  it('leave no green light while they are, and all goes on by itself once there is room', async () => {
    const [first, second, third] = cluster().nodes as readonly [DemoNode, DemoNode, DemoNode];
    const marker = join(dirname(third.dataDir), 'full');
    for (const node of [first, second]) {
      await node.stop();
      await node.start({ env: { NODE_OPTIONS: `--import=${PLAYED_DISK}`, PLAYED_FULL_DISK: marker } });
    }
    await cluster().settled();
    await putEverywhere(cluster().nodes, 'before');

    await writeFile(marker, '');
    await until('the third node to see what is missing', async () => {
      await Promise.all(cluster().nodes.map((node) => node.http.put('meets it', 1)));
      const { body, text } = await readyOf(third);
      return (
        body.status === 'degraded' &&
        /node1 \(its log takes nothing.*node2 \(its log takes nothing/.test(text)
      );
    });
    expect(await gauge(third, 'dkv_groups_without_quorum')).toBe(64);
    for (const node of cluster().nodes) {
      const { status, body } = await node.http.put('during', 1);
      expect([status, body.code]).toEqual([503, 'DKV_QUORUM_NOT_REACHED']);
      expect(await shown(node, 'before')).toEqual([200, 1]);
    }

    await rm(marker);
    for (const node of cluster().nodes) {
      await until(`${node.id} to be well again`, async () => (await readyOf(node)).body.status === 'ok');
      expect((await node.http.put(`after ${node.id}`, 1)).status).toBe(200);
    }
    expect(third.log).toMatch(/All partitions take writes again, after [\d.]+ s\./);
  });
});

describe('one of three clocks, an hour ahead', { timeout: 300_000 }, () => {
  const cluster = useCluster(3);

  it('is told by its node, which leads nothing, and writes go on through all', async () => {
    const [, , off] = cluster().nodes as readonly [DemoNode, DemoNode, DemoNode];
    await off.stop();
    await off.start({ env: { NODE_OPTIONS: `--import=${PLAYED_CLOCK}`, PLAYED_CLOCK_MS: '3600000' } });
    await cluster().settled();
    await until('its node to say so', async () => {
      const { status, text } = await readyOf(off);
      return status === 200 && /clock of this node is 36\d\d\.\d s ahead of the others/.test(text);
    });
    for (const node of cluster().nodes) {
      expect((await node.http.put(`through ${node.id}`, 1)).status).toBe(200);
    }
    expect(await gauge(off, 'dkv_groups_led')).toBe(0);
    expect(off.log.match(/clock of this node is .* Synchronise the clocks/g)).toHaveLength(1);
  });
});
