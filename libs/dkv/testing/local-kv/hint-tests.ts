/** Hints and meta values: small durable marks beside the records. */
import assert from 'node:assert/strict';
import { type Hint } from '../../src/ports/local-kv-repo.js';
import { type DefineRepoTest, recordOf, rejectionOf } from './repo-under-test.js';

const hintOf = (key: string, nodeId = 'node-b', partition = 0): Hint => ({
  nodeId,
  partition,
  namespace: 'default',
  key,
});

export function defineHintTests(define: DefineRepoTest): void {
  define('keeps a hint once per node and key', async ({ repo }) => {
    const hint = hintOf('k', 'node-b', 3);
    await repo.addHint(hint);
    await repo.addHint(hint);
    await repo.addHint(hintOf('k', 'node-c', 3));
    assert.deepEqual(await repo.getHints('node-b', 10), [hint]);
    assert.deepEqual(await repo.getHints('node-c', 10), [hintOf('k', 'node-c', 3)]);
    assert.deepEqual(await repo.getHints('node-d', 10), []);
  });

  define('does not take one node for another whose name begins alike', async ({ repo }) => {
    for (const nodeId of ['n', 'n-', 'n.1', 'n1', 'n10', 'n1!'.slice(0, 2), 'N1']) {
      await repo.addHint(hintOf(`for ${nodeId}`, nodeId));
    }
    for (const nodeId of ['n', 'n1', 'n10', 'N1']) {
      assert.deepEqual(await repo.getHints(nodeId, 10), [hintOf(`for ${nodeId}`, nodeId)]);
    }
  });

  define('gives the hints of the lowest partitions first, so many as were asked for', async ({ repo }) => {
    const hints = [9, 2, 15, 0, 7].map((partition) =>
      hintOf(`k\u{1f642} "${partition}`, 'node-b', partition),
    );
    await Promise.all(hints.map((hint) => repo.addHint(hint)));
    const inOrder = [...hints].sort((one, two) => one.partition - two.partition);
    assert.deepEqual(await repo.getHints('node-b', 10), inOrder);
    assert.deepEqual(await repo.getHints('node-b', 2), inOrder.slice(0, 2));
    assert.deepEqual(await repo.getHints('node-b', 0), []);
  });

  define('forgets a hint that is removed, and no other', async ({ repo }) => {
    await repo.addHint(hintOf('a'));
    await repo.addHint(hintOf('b'));
    await repo.removeHint(hintOf('a'));
    await repo.removeHint(hintOf('a'));
    await repo.removeHint(hintOf('never'));
    assert.deepEqual(await repo.getHints('node-b', 10), [hintOf('b')]);
  });

  define('knows the bytes of its hints', async ({ repo }) => {
    assert.equal(repo.hintBytes, 0);
    await repo.addHint(hintOf('a'));
    const one = repo.hintBytes;
    assert.ok(one > 0);
    await Promise.all([repo.addHint(hintOf('a')), repo.addHint(hintOf('b')), repo.addHint(hintOf('b'))]);
    assert.equal(repo.hintBytes, 2 * one);
    await Promise.all([
      repo.removeHint(hintOf('a')),
      repo.removeHint(hintOf('a')),
      repo.removeHint(hintOf('c')),
    ]);
    assert.equal(repo.hintBytes, one);
    await repo.removeHint(hintOf('b'));
    assert.equal(repo.hintBytes, 0);
  });

  define('does not mix hints and records', async (under) => {
    await under.repo.addHint(hintOf('k'));
    assert.deepEqual(await under.keys(), []);
    await under.put(recordOf('k', 1));
    await under.repo.removeHint(hintOf('k'));
    assert.deepEqual(await under.keys(), ['k']);
    assert.deepEqual(await under.counts(), { keys: 1, tombstones: 0 });
  });

  define('rejects a hint for a node or a key that cannot be', async ({ repo }) => {
    await rejectionOf(repo.addHint(hintOf('k', '')));
    await rejectionOf(repo.addHint(hintOf('k', 'a node')));
    await rejectionOf(repo.addHint(hintOf('')));
    assert.equal(repo.hintBytes, 0);
  });

  define('keeps meta values by name', async ({ repo }) => {
    assert.equal(await repo.getMeta('boot'), undefined);
    await repo.putMeta('boot', '1');
    await repo.putMeta('boot', '2');
    await repo.putMeta('x'.repeat(64), '');
    await repo.putMeta('configuration', '{"\u{1f642}":"\\u0000"}');
    assert.equal(await repo.getMeta('boot'), '2');
    assert.equal(await repo.getMeta('x'.repeat(64)), '');
    assert.equal(await repo.getMeta('configuration'), '{"\u{1f642}":"\\u0000"}');
    assert.equal(await repo.getMeta('boo'), undefined);
  });

  define('keeps the last of many values put at once', async ({ repo }) => {
    await Promise.all(Array.from({ length: 50 }, (_, at) => repo.putMeta('clock', `${at}`)));
    assert.equal(await repo.getMeta('clock'), '49');
  });

  define('rejects meta names that are none', async ({ repo }) => {
    for (const name of ['', 'x'.repeat(65)]) {
      await rejectionOf(repo.putMeta(name, 'value'));
      await rejectionOf(repo.getMeta(name));
    }
  });
}
