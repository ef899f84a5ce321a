/** Every group of a lost node is served again in time: 500 ms where its connections close, 1,500 ms where they do not. */
import { describe, expect, it } from 'vitest';
import {
  FAILOVER_MS_MAX,
  judgeFailover,
  LOSSES,
  runFailover,
} from '../../libs/dkv/testing/simulation/failover.js';

const PARTITIONS = 64;
const SEEDS = Number(process.env.SEEDS ?? 3);
const SIZES = [
  { nodes: 3, copies: 3 },
  { nodes: 5, copies: 3 },
  { nodes: 5, copies: 5 },
] as const;
const CASES = SIZES.flatMap((size) => LOSSES.map((loss) => ({ ...size, loss })));

describe('the groups of a lost node are served again', () => {
  it.each(CASES)(
    '$loss, $nodes nodes, $copies copies',
    { timeout: 600_000 },
    async ({ nodes, copies, loss }) => {
      const took: number[] = [];
      for (let seed = 1; seed <= SEEDS; seed++) {
        const failover = await runFailover({ nodes, copies, partitions: PARTITIONS }, loss, seed);
        // Each node leads its share, or this shows nothing.
        expect(failover.groups.length, `seed ${seed}`).toBeGreaterThan((0.75 * PARTITIONS) / nodes);
        expect(judgeFailover(failover), `seed ${seed}`).toEqual([]);
        took.push(Math.round(failover.tookMs));
      }
      process.stdout.write(
        `${loss}, ${nodes} nodes, ${copies} copies: at most ${Math.max(...took)} ms of ${FAILOVER_MS_MAX[loss]}\n`,
      );
    },
  );
});
