/** `dkv doctor` against three nodes: whom it asks, the matrix that it shows, and what the shell is told. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runShell } from '../../../../testing/cli/captured-terminal.js';
import {
  sampleCluster,
  sampleDiagnosis,
  sampleMember,
  samplePartition,
  TOLD_AT_MS,
} from '../../../../testing/cli/sample-reports.js';
import { ADMIN_KEY, StandInNode } from '../../../../testing/cli/stand-in-node.js';
import { ManualClock } from '../../../../testing/manual-clock.js';
import { EXIT } from '../../exit-codes.js';

const NODE_IDS = ['a', 'b', 'c'];
let nodes: StandInNode[];

beforeEach(async () => {
  nodes = await Promise.all(NODE_IDS.map(() => new StandInNode().start()));
  nodes.forEach((node, at) => {
    node.replies['GET /admin/diagnosis'] = { body: sampleDiagnosis(NODE_IDS[at]!) };
  });
  const members = nodes.map(({ port }, at) => sampleMember(NODE_IDS[at]!, { host: '127.0.0.1', port }));
  nodes[0]!.replies['GET /admin/cluster'] = { body: sampleCluster({ members }) };
  nodes[0]!.replies['GET /admin/partitions'] = { body: [samplePartition(0)] };
});

afterEach(() => Promise.all(nodes.map((node) => node.stop())));

const lines = (...text: readonly string[]) => `${text.join('\n')}\n`;

const doctor = (...args: readonly string[]) =>
  runShell(['doctor', ...args], {
    env: { DKV_URL: nodes[0]!.url, DKV_ADMIN_KEY: ADMIN_KEY },
    clock: new ManualClock(TOLD_AT_MS),
  });

it('asks each node at its own address, and finds nothing where all is well', async () => {
  const { code, out, error } = await doctor();
  expect([code, error]).toEqual([EXIT.done, '']);
  expect(out).toBe(
    lines(
      'Cluster 3f0c9a51d2e7: 3 of 3 nodes answered.',
      '',
      'Round trips in milliseconds, from the node on the left:',
      '     a    b    c',
      'a    -  0.4  0.4',
      'b  0.4    -  0.4',
      'c  0.4  0.4    -',
      '',
      'No finding.',
    ),
  );
  expect(nodes.map(({ requests }) => requests.map(({ url }) => url))).toEqual([
    ['/admin/cluster', '/admin/partitions', '/admin/diagnosis'],
    ['/admin/diagnosis'],
    ['/admin/diagnosis'],
  ]);
});

it('shows who reaches whom, and each finding in a line', async () => {
  const peers = [
    { nodeId: 'b', state: 'up', roundTripMs: 0.42 },
    { nodeId: 'c', state: 'down', trouble: 'unreachable', error: 'no answer within 1000 ms' },
  ];
  nodes[0]!.replies['GET /admin/diagnosis'] = { body: { ...sampleDiagnosis('a'), peers } };
  nodes[2]!.replies['GET /admin/diagnosis'] = { status: 500, body: { code: 'INTERNAL', message: 'no' } };
  const { code, out } = await doctor();
  expect(code).toBe(EXIT.findings);
  expect(out.replaceAll(/127\.0\.0\.1:\d+/g, '10.0.10.13:7000')).toBe(
    lines(
      'Cluster 3f0c9a51d2e7: 2 of 3 nodes answered.',
      '',
      'Round trips in milliseconds, from the node on the left:',
      '     a    b    c',
      'a    -  0.4    x',
      'b  0.4    -  0.4',
      'c    ?    ?    -',
      '',
      '- Node c at 10.0.10.13:7000 could not be asked: http://10.0.10.13:7000: INTERNAL: no. See whether it runs, has the same adminKey, and can be reached from here.',
      '- Node c is not reached by a: no answer within 1000 ms. See whether it runs, and whether the network lets its peer port through.',
      '2 findings.',
    ),
  );
  const json = JSON.parse((await doctor('--json')).out) as {
    findings: { kind: string }[];
    nodes: { nodeId: string }[];
  };
  expect(json.findings.map(({ kind }) => kind)).toEqual(['silent', 'network']);
  expect(json.nodes.map(({ nodeId }) => nodeId)).toEqual(NODE_IDS);
});

it('asks who answered where it answered, also if nobody else knows that address', async () => {
  const { port } = nodes[1]!;
  const members = [sampleMember('a', { host: '127.0.0.1', port })];
  nodes[0]!.replies['GET /admin/cluster'] = { body: sampleCluster({ members }) };
  expect((await doctor()).out).toContain('1 of 1 node answered.');
  nodes[0]!.replies['GET /admin/diagnosis'] = 'break';
  const lost = (await doctor()).out.split('\n').find((line) => line.startsWith('- Node a at '));
  expect(lost).toContain('no node answered.');
  expect(lost).toContain(`${nodes[0]!.url}: socket hang up`);
  nodes[0]!.replies['GET /admin/diagnosis'] = { body: sampleDiagnosis('c') };
  nodes[1]!.replies['GET /admin/diagnosis'] = { body: sampleDiagnosis('a') };
  expect((await doctor()).out).toContain('1 of 1 node answered.');
});

it('shows no matrix of more nodes than one can read', async () => {
  const { port } = nodes[0]!;
  const members = Array.from({ length: 13 }, (_, n) => sampleMember(`n${n}`, { host: '127.0.0.1', port }));
  nodes[0]!.replies['GET /admin/cluster'] = { body: sampleCluster({ members }) };
  const { out } = await doctor();
  expect(out).toContain('0 of 13 nodes answered');
  expect(out).not.toContain('Round trips');
  expect(out).toContain('node a answers at that address');
});
