import { describe, expect, it } from 'vitest';
import { Latencies } from './latencies.js';
import { createRandom } from './random.js';

describe('Latencies', () => {
  it.each([0.0005, 0.001, 0.0137, 0.2, 1, 3.3, 47, 1_000, 29_000])(
    'tells a quantile of %f ms within 2 %%',
    (ms) => {
      const latencies = new Latencies();
      for (let i = 0; i < 10; i++) {
        latencies.record(ms);
      }
      latencies.record(2 * ms);
      expect(Math.abs(latencies.quantileUs(0.5) / (ms * 1e3) - 1)).toBeLessThan(0.02);
    },
  );

  it('agrees with sorting', () => {
    const random = createRandom(3);
    const latencies = new Latencies();
    const all = Array.from({ length: 20_000 }, () => 10 ** (4 * random() - 3));
    all.forEach((ms) => latencies.record(ms));
    all.sort((a, b) => a - b);
    for (const share of [0.01, 0.5, 0.9, 0.99, 0.999]) {
      const exactUs = all[Math.ceil(share * all.length) - 1]! * 1e3;
      expect(Math.abs(latencies.quantileUs(share) / exactUs - 1)).toBeLessThan(0.02);
    }
  });

  it('counts what is beyond its range as its end, and keeps the maximum', () => {
    const latencies = new Latencies();
    latencies.record(120_000);
    expect(latencies.figures().maxUs).toBe(120_000_000);
    expect(latencies.quantileUs(0.5)).toBeGreaterThan(30_000_000);
  });

  it('is 0 without any', () => {
    expect(new Latencies().figures()).toEqual({ p50Us: 0, p99Us: 0, p999Us: 0, maxUs: 0 });
  });
});
