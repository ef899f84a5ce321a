/** `dkv` as a shell starts it: bytes through pipes as they are, the exit code of the process, and no terminal to write colours on. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { degradedCluster, leavingMoves, leftMoves } from '../../libs/dkv/testing/cli/sample-reports.js';
import { ADMIN_KEY, StandInNode } from '../../libs/dkv/testing/cli/stand-in-node.js';
import { runDkv } from './dkv-process.js';

/** Of every kind, and more than a pipe holds at once. */
const BYTES = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 256));

let node: StandInNode;

beforeEach(async () => {
  node = await new StandInNode().start();
});

afterEach(() => node.stop());

const dkv = (args: readonly string[], input?: Uint8Array) =>
  runDkv(args, { DKV_URL: node.url, DKV_ADMIN_KEY: ADMIN_KEY }, input);

it('writes what is piped in, and reads it back into a pipe', async () => {
  const stamp = { key: 'k', version: '0000000100000000002a', modified: 1 };
  node.replies['POST /kv'] = { body: stamp };
  expect(await dkv(['put', 'k', '-'], BYTES)).toMatchObject({ code: 0, error: '' });
  const { value } = node.requests[0]!.body as { value: string };
  expect(Buffer.from(value, 'base64').equals(BYTES)).toBe(true);
  node.replies['GET /kv/k'] = { body: { ...stamp, value } };
  const { code, out } = await dkv(['get', 'k']);
  expect([code, out.equals(BYTES)]).toEqual([0, true]);
});

it('ends with the code that scripts ask for, and says on the other output what went wrong', async () => {
  node.replies['GET /admin/cluster'] = { body: degradedCluster() };
  const status = await dkv(['status']);
  expect([status.code, status.error]).toEqual([6, '']);
  expect(status.out.toString()).toMatch(/^Cluster 3f0c9a51d2e7 is degraded: down: c\n/);
  node.replies['GET /kv/k'] = { status: 404, body: { code: 'DKV_KEY_NOT_FOUND', message: 'There is none.' } };
  const { code, out, error } = await dkv(['get', 'k']);
  expect([code, out.length, error]).toEqual([
    10,
    0,
    `error: ${node.url}: DKV_KEY_NOT_FOUND: There is none.\n`,
  ]);
  expect((await dkv(['status', '--admin-key', 'another'])).code).toBe(9);
});

it('waits for a node to leave, with a line for each change where there is no terminal', async () => {
  node.replies['POST /admin/decommission'] = { body: { epoch: 8 } };
  node.replies['GET /admin/moves'] = [{ body: leavingMoves(9, 41) }, { body: leftMoves(94) }];
  const { code, out, error } = await dkv(['decommission', 'c', '--wait', '--within', '60']);
  expect([code, error]).toEqual([0, '']);
  expect(out.toString().split('\n')).toEqual([
    'Node c leaves (epoch 8).',
    '0 of 43 arrived, 2 move, 41 wait (epoch 9)',
    '43 of 43 arrived, nothing moves (epoch 94)',
    'Node c is no member any more.',
    '',
  ]);
});

it('removes no node where nobody can be asked', async () => {
  expect(await dkv(['remove', 'c'])).toMatchObject({
    code: 5,
    error: expect.stringContaining('--yes') as string,
  });
  expect(node.requests).toEqual([]);
});
