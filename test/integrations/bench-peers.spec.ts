/** The adapters of the benchmark against the real servers: what is measured is what was asked for. */
import { describe, expect, it } from 'vitest';
import { Belongings } from '../../apps/bench/src/processes/belongings.js';
import { PEERS } from '../../apps/bench/src/theirs/peers.js';
import { type PeerName } from '../../apps/bench/src/workloads.js';

const NAMES = Object.keys(PEERS) as PeerName[];
const KEYS = Array.from({ length: 100 }, (_, index) => index);

describe('a store that the benchmark compares with', () => {
  it.each(NAMES)(
    'takes and gives back a hundred values, counts where it can, and stops: %s',
    async (name) => {
      const belongings = new Belongings();
      let pids: readonly number[] = [];
      try {
        const servers = await PEERS[name].start(belongings);
        pids = servers.map(({ pid }) => pid);
        expect(pids.length).toBe(['redis', 'redis-autopipelining', 'redis-fsync'].includes(name) ? 1 : 3);
        const { store, close } = await PEERS[name].connect(servers.map(({ port }) => port));
        const written = KEYS.map((index) => Buffer.from(`value ${index}`));
        await Promise.all(KEYS.map((index) => store.write(store.key(index), written[index]!)));
        const read = await Promise.all(KEYS.map((index) => store.read(store.key(index))));
        expect(read.map((value) => Buffer.from(value as Uint8Array).toString())).toEqual(written.map(String));
        expect((await store.read('never-written')) ?? null).toBeNull();
        const counts = Promise.all(Array.from({ length: 10 }, () => store.increment('counter')));
        if (name === 'nats') {
          // Its compare-and-set loses updates: a figure of it would be one of wrong answers.
          await expect(counts).rejects.toThrow(/compare-and-set/);
        } else {
          expect((await counts).sort((one, other) => one - other)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        }
        expect(servers.every((server) => server.usage()!.rssBytes > 0)).toBe(true);
        await close();
      } finally {
        await belongings.end();
      }
      expect(pids.filter(isRunning)).toEqual([]);
    },
  );
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
