/** A folder's data belongs to one set of members: another one is refused, by name. */
import { describe, expect, it } from 'vitest';
import { rejected } from '../../testing/caught.js';
import { testNode, testNodes } from '../../testing/test-nodes.js';
import { testRing } from '../../testing/test-ring.js';
import { type RingNode } from '../model/node.js';
import { assertSameMembership } from './membership.js';

const NODES = testNodes('a', 'b', 'c');

/** The small values of a data folder. */
function folder() {
  const metas = new Map<string, string>();
  return {
    metas,
    getMeta: async (name: string) => metas.get(name),
    putMeta: async (name: string, value: string) => void metas.set(name, value),
  };
}

/** A folder that was written by `nodes`. */
async function writtenBy(nodes: readonly RingNode[], replicas = 2) {
  const written = folder();
  await assertSameMembership(written, testRing(nodes, { replicas }));
  return written;
}

it('notes the members at the first start', async () => {
  expect((await writtenBy(NODES)).metas.size).toBe(1);
});

it.each<[string, readonly RingNode[]]>([
  ['the same members', NODES],
  ['the same members in another order', [...NODES].reverse()],
  ['the same members at other addresses', NODES.map((node) => ({ ...node, host: 'moved', port: 1 }))],
])('lets %s start again', async (_, nodes) => {
  const written = await writtenBy(NODES);
  const before = [...written.metas];
  await expect(assertSameMembership(written, testRing(nodes))).resolves.toBeUndefined();
  expect([...written.metas]).toEqual(before);
});

describe('is refused, naming both sides and the remedy:', () => {
  it.each<[string, readonly RingNode[], number, RegExp]>([
    ['one more member', testNodes('a', 'b', 'c', 'd'), 2, /a, b, c with 2.*a, b, c, d with 2/],
    ['one less', testNodes('a', 'b'), 2, /a, b, c with 2.*a, b with 2/],
    ['another one', testNodes('a', 'b', 'x'), 2, /a, b, c with.*a, b, x with/],
    [
      'another weight',
      [...testNodes('a', 'b'), testNode('c', { weight: 2 })],
      2,
      /c with.*c \(weight 2\) with/,
    ],
    ['another zone', [...testNodes('a', 'b'), testNode('c', { zone: 'z' })], 2, /c with.*c \(zone z\) with/],
    ['other replicas', NODES, 1, /with 2 replicas.*with 1 replicas/],
  ])('%s', async (_, nodes, replicas, message) => {
    const written = await writtenBy(NODES);
    const error = await rejected(assertSameMembership(written, testRing(nodes, { replicas })));
    expect(error.code).toBe('DKV_STORE_MISMATCH');
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/old configuration\. A new cluster/);
  });
});
