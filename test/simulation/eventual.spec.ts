/** Random lives of an eventual namespace under faults: no promise is broken, and a seed always means one life. */
import { describe, expect, it } from 'vitest';
import { describeFindings, runEventualScenario } from 'nestjs-dkv/testing';

const SEEDS = 100;
/** Seeds of one test: short enough to tell where it stands. */
const BLOCK = 10;

describe.each(Array.from({ length: SEEDS / BLOCK }, (_, block) => 1 + block * BLOCK))(
  'from seed %d on',
  (first) => {
    it(
      'nothing acknowledged is lost, nothing deleted comes back, all copies agree in the end',
      { timeout: 300_000 },
      async () => {
        for (let seed = first; seed < first + BLOCK; seed++) {
          const result = await runEventualScenario(seed);
          expect(describeFindings(result.findings), `seed ${seed}: npm run sim -- --seed ${seed}`).toBe('');
          expect(result.acknowledged).toBeGreaterThan(0);
          expect((await runEventualScenario(seed)).digest, `seed ${seed} twice`).toBe(result.digest);
        }
      },
    );
  },
);
