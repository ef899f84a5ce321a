/** A cluster of three processes in the hands of an operator: who is let in, what is told, what can be moved. */
import {
  type ClusterReport,
  type Explanation,
  type MovesReport,
  type NodeDiagnosis,
  type PartitionReport,
} from 'nestjs-dkv';
import { describe, expect, it } from 'vitest';
import { type Answer } from './demo-client.js';
import { API_KEY, useCluster } from './demo-cluster.js';
import { type DemoNode } from './demo-node.js';
import { runDkv } from './dkv-process.js';
import { until } from './until.js';

const ADMIN_KEY = 'the-key-of-operators';
const ADMIN = { 'x-admin-key': ADMIN_KEY };
const API = { 'x-api-key': API_KEY };
/** The demo keeps its items in the default namespace, here an eventual one, and counts in a strong one. */
const COUNTERS = 'counters';

const ROUTES: [string, string, string?][] = [
  ['GET', '/admin/cluster'],
  ['GET', '/admin/partitions'],
  ['GET', '/admin/explain?key=k'],
  ['GET', '/admin/diagnosis'],
  ['POST', '/admin/transfer-leadership', JSON.stringify({ group: 0, nodeId: 'node1' })],
  ['GET', '/admin/moves'],
];

/** Changes of the members that are refused, with what they are told where the node itself refuses them. */
const CHANGES: [string, object, RegExp][] = [
  ['admit', { nodeId: 'nobody' }, /^Node nobody is no candidate/],
  ['remove', { nodeId: 'node1' }, /^Node node1 is not down, but up: decommission it/],
  ['replace', { nodeId: 'node1', byNodeId: 'node2' }, /^Node node2 is a member already/],
  ['decommission', { nodeId: 'no body' }, /^nodeId must be a node id/],
  ['keep', { nodeId: 'no body' }, /^nodeId must be a node id/],
  ['weight', { nodeId: 'node1', weight: 0 }, /^weight must be a positive number/],
  ['zone', { nodeId: 'node1', zone: 1 }, /^zone must /],
];

function isLedByOne({ leader, takesWrites, members }: PartitionReport): boolean {
  const leaders = members.filter(({ role }) => role === 'leader').map(({ nodeId }) => nodeId);
  return takesWrites && leaders.join() === leader;
}

describe('an administered cluster', { timeout: 300_000 }, () => {
  const cluster = useCluster(3, { env: { DKV_MODE: 'eventual', DKV_ADMIN_KEY: ADMIN_KEY } });

  async function told<T>(node: DemoNode, path: string): Promise<T> {
    const { status, text } = await node.peerHttp.send('GET', path, { headers: ADMIN });
    expect([status, text]).toEqual([200, text]);
    return JSON.parse(text) as T;
  }

  const explain = (node: DemoNode, namespace: string, key: string) =>
    told<Explanation>(node, `/admin/explain?namespace=${namespace}&key=${key}`);
  const transfer = (node: DemoNode, group: number, nodeId: string): Promise<Answer> =>
    node.peerHttp.send('POST', '/admin/transfer-leadership', {
      headers: ADMIN,
      body: JSON.stringify({ group, nodeId }),
    });

  it.each(ROUTES)('serves %s %s to who has the admin key, and to nobody else', async (method, path, body) => {
    const { peerHttp } = cluster().nodes[0]!;
    const send = (headers: Record<string, string>) =>
      peerHttp.send(method, path, { headers, ...(body !== undefined && { body }) });
    expect((await send(ADMIN)).status).toBe(200);
    expect((await send({ ...API, ...ADMIN })).status).toBe(200);
    const wrong: Record<string, string>[] = [
      {},
      API,
      { 'x-admin-key': API_KEY },
      { ...API, 'x-admin-key': `${ADMIN_KEY}.` },
    ];
    for (const headers of wrong) {
      expect(await send(headers)).toMatchObject({ status: 403, body: { code: 'DKV_FORBIDDEN' } });
    }
  });

  it.each(CHANGES)(
    'refuses %s %j, and serves it to nobody without the admin key',
    async (route, body, message) => {
      const { peerHttp } = cluster().nodes[0]!;
      const send = (headers: Record<string, string>) =>
        peerHttp.send('POST', `/admin/${route}`, { headers, body: JSON.stringify(body) });
      expect(await send(ADMIN)).toMatchObject({
        status: 400,
        body: { code: 'DKV_INVALID_ARGUMENT', message: expect.stringMatching(message) as string },
      });
      const wrong: Record<string, string>[] = [{}, API, { 'x-admin-key': API_KEY }];
      for (const headers of wrong) {
        expect(await send(headers)).toMatchObject({ status: 403, body: { code: 'DKV_FORBIDDEN' } });
      }
    },
  );

  it('has all where it is to be, as each node and the command line tell', async () => {
    const { nodes } = cluster();
    const reports = await Promise.all(nodes.map((node) => told<MovesReport>(node, '/admin/moves')));
    for (const { isSettled, moving, waiting, members } of reports) {
      expect([isSettled, moving, waiting]).toEqual([true, [], 0]);
      expect(members.map(({ nodeId, membership }) => [nodeId, membership])).toEqual(
        nodes.map(({ id }) => [id, 'member']),
      );
    }
    const { code, out } = await runDkv(['moves'], {
      DKV_URL: `http://127.0.0.1:${nodes[1]!.peerPort}`,
      DKV_ADMIN_KEY: ADMIN_KEY,
    });
    expect([code, out.toString()]).toEqual([
      0,
      expect.stringMatching(/^All is where it is to be: nothing moves/),
    ]);
  });

  it('has the store open with the admin key, and what is for peers closed', async () => {
    const { peerHttp, http } = cluster().nodes[0]!;
    await http.put('for operators', 'text');
    const read = await peerHttp.send('GET', '/kv/for%20operators', { headers: ADMIN });
    expect(read).toMatchObject({ status: 200, body: { key: 'for operators' } });
    expect(await peerHttp.send('POST', '/peer/get', { headers: ADMIN })).toMatchObject({ status: 403 });
  });

  it('is told by each node alike', async () => {
    for (const node of cluster().nodes) {
      const report = await until(`${node.id} to know all nodes as ready`, async () => {
        const found = await told<ClusterReport>(node, '/admin/cluster');
        return found.members.every(({ ready }) => ready) && found;
      });
      expect(report).toMatchObject({
        answeredBy: node.id,
        health: 'ok',
        reason: '',
        partitionsWithoutQuorum: 0,
      });
      expect(report.members.map(({ nodeId, state }) => [nodeId, state])).toEqual(
        cluster().nodes.map(({ id }) => [id, 'up']),
      );
      // Right after the start, leaderships may be on their way to the preferred leaders.
      const partitions = await until('one leader in each partition', async () => {
        const found = await told<PartitionReport[]>(node, '/admin/partitions');
        return found.every(isLedByOne) && found;
      });
      expect(partitions).toHaveLength(report.partitions);
      expect(
        partitions.filter(({ members, voters }) => members.length !== 3 || voters!.length !== 3),
      ).toEqual([]);
      const diagnosis = await told<NodeDiagnosis>(node, '/admin/diagnosis');
      expect(diagnosis).toMatchObject({ nodeId: node.id, storage: { folder: node.dataDir, failure: '' } });
      expect(diagnosis.peers.map(({ error, roundTripMs }) => [error, typeof roundTripMs])).toEqual(
        Array(2).fill([undefined, 'number']),
      );
    }
  });

  it('explains a key of either mode', async () => {
    const [node, other] = cluster().nodes;
    const { body } = await node!.http.put('explained', 'text');
    await node!.http.send('POST', '/counters/explained', { body: '{"by": 1}' });
    const eventual = await until('all copies to be the same', async () => {
      const found = await explain(other!, 'default', 'explained');
      return found.copies.every(({ record }) => record?.version === body.version) && found;
    });
    expect(eventual).toMatchObject({ mode: 'eventual', leader: '', findings: [] });
    expect(new Set(eventual.copies.map(({ record }) => record!.digest)).size).toBe(1);
    const strong = await until('all copies to be applied', async () => {
      const found = await explain(other!, COUNTERS, 'explained');
      return found.copies.every(({ record }) => record !== undefined) && found;
    });
    expect(strong).toMatchObject({ mode: 'strong', findings: [] });
    expect(strong.copies.find(({ group }) => group!.role === 'leader')!.nodeId).toBe(strong.leader);
    expect(new Set(strong.copies.map(({ record }) => record!.digest)).size).toBe(1);
    const unknown = await other!.peerHttp.send('GET', '/admin/explain?namespace=none&key=k', {
      headers: ADMIN,
    });
    expect(unknown).toMatchObject({ status: 404, body: { code: 'DKV_UNKNOWN_NAMESPACE' } });
  });

  it('has a leadership where it is wanted, whoever is asked for it', async () => {
    const [asked] = cluster().nodes;
    const { group, leader } = (await told<PartitionReport[]>(asked!, '/admin/partitions'))[0]!;
    for (const { id } of cluster().nodes.filter((node) => node.id !== leader)) {
      expect(await transfer(asked!, group, id)).toMatchObject({
        status: 200,
        text: JSON.stringify({ group, leader: id }),
      });
      const heir = cluster().nodes.find((node) => node.id === id)!;
      expect((await told<PartitionReport[]>(heir, '/admin/partitions'))[0]).toMatchObject({ leader: id });
    }
    expect(await transfer(asked!, group, 'nobody')).toMatchObject({
      status: 400,
      body: { code: 'DKV_INVALID_ARGUMENT' },
    });
  });

  it('is in the hands of the command line, whichever node it reaches first', async () => {
    const [first, second] = cluster().nodes.map(({ peerPort }) => `http://127.0.0.1:${peerPort}`);
    const dkv = async (...args: string[]) => {
      const { code, out, error } = await runDkv(args, {
        DKV_URL: `${first},${second}`,
        DKV_ADMIN_KEY: ADMIN_KEY,
      });
      return { code, out: out.toString(), error };
    };
    expect(await dkv('put', 'from a shell', 'text', '--namespace', COUNTERS)).toMatchObject({
      code: 0,
      error: '',
    });
    expect(await dkv('get', 'from a shell', '--namespace', COUNTERS)).toEqual({
      code: 0,
      out: 'text',
      error: '',
    });
    const explained = await dkv('explain', 'from a shell', '--namespace', COUNTERS, '--json');
    expect(JSON.parse(explained.out)).toMatchObject({ key: 'from a shell', mode: 'strong', findings: [] });
    const { code, out } = await dkv('status');
    expect([code, out.match(/\bup\b/g)?.length]).toEqual([0, 3]);
    expect(await runDkv(['status'], { DKV_URL: first!, DKV_ADMIN_KEY: `${ADMIN_KEY}.` })).toMatchObject({
      code: 9,
    });
  });

  it('goes on being told while a node is stopped', async () => {
    const [node, , stopped] = cluster().nodes;
    await node!.http.send('POST', '/counters/degraded', { body: '{"by": 1}' });
    await stopped!.stop();
    await node!.sees(stopped!, 'down');
    const report = await told<ClusterReport>(node!, '/admin/cluster');
    expect(report).toMatchObject({
      health: 'degraded',
      reason: expect.stringContaining(stopped!.id) as string,
    });
    const { copies } = await explain(node!, COUNTERS, 'degraded');
    expect(copies.map(({ nodeId, error }) => [nodeId, error === undefined]).sort()).toEqual(
      cluster().nodes.map(({ id }) => [id, id !== stopped!.id]),
    );
    const partitions = await told<PartitionReport[]>(node!, '/admin/partitions');
    expect(partitions.filter(({ members }) => members.length !== 2)).toEqual([]);
    const { peers } = await told<NodeDiagnosis>(node!, '/admin/diagnosis');
    const gone = peers.find(({ nodeId }) => nodeId === stopped!.id)!;
    expect(gone).toMatchObject({ state: 'down', trouble: 'stopped', error: expect.any(String) as string });
    expect(await transfer(node!, partitions[0]!.group, stopped!.id)).toMatchObject({
      status: 503,
      body: { code: 'DKV_NOT_READY' },
    });
  });
});
