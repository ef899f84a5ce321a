/** On a Node release whose RocksDB binding does not run, the same cluster works on LevelDB, by itself. */
import { describe, expect, it } from 'vitest';
import { DemoCluster } from './demo-cluster.js';
import { newerNode } from './newer-node.js';

describe('Node 24', () => {
  it('chooses LevelDB, says so, and survives a kill', { timeout: 300_000 }, async ({ skip }) => {
    const node = await newerNode();
    skip(node === undefined, 'Node 24 could not be had from the npm registry.');
    const cluster = await DemoCluster.start(3, { node, env: { DKV_MODE: 'eventual' } });
    try {
      const [first, second, third] = cluster.nodes;
      expect(first!.log).toMatch(/WARN RocksDB does not run here .*classic-level/);
      expect((await first!.http.send('GET', '/metrics')).text).toMatch(
        /dkv_build_info{engine="classic-level"/,
      );

      const written = await first!.http.put('a key', [1, null], '?consistency=all');
      expect((await second!.http.get('a key')).body).toEqual({ ...written.body, value: [1, null] });
      await third!.kill9();
      await first!.http.put('another', 'while one was down');
      await third!.start();
      expect((await third!.http.get('a key')).body.value).toEqual([1, null]);
      expect((await third!.http.get('another')).body.value).toBe('while one was down');
      expect((await third!.http.remove('a key')).body).toEqual({ removed: true });

      expect((await second!.http.get('another', 'quorum')).body.value).toBe('while one was down');
      expect((await second!.http.get('a key', 'quorum')).status).toBe(404);
      expect(await first!.stop()).toEqual({ code: 0, signal: null });
    } catch (error) {
      process.stderr.write(cluster.log);
      throw error;
    } finally {
      await cluster.dispose();
    }
  });
});
