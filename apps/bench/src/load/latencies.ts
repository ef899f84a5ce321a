/** Latencies of any number of operations in fixed memory: counts in buckets that grow with the value. */

/** Parts of each power of two: a bucket is at most 1/64 = 1.6 % wide. */
const PARTS_BITS = 6;
const PARTS = 2 ** PARTS_BITS;
/** Latencies are counted in these, so that 31 bits reach beyond half a minute. */
const UNIT_NS = 16;
const UNITS_MAX = 2 ** 31 - 1;
const BUCKETS = (31 - PARTS_BITS + 1) * PARTS;

/** Microseconds. */
export interface LatencyFigures {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/**
 * A log-linear histogram, as HdrHistogram is (G. Tene, hdrhistogram.org), in 13 KB. `createHistogram` of
 * `node:perf_hooks` does the same but costs a call into C++ for each value, a tenth of what a read of a held key takes.
 */
export class Latencies {
  private readonly counts = new Float64Array(BUCKETS);
  private total = 0;
  private maxMs = 0;

  /** Milliseconds, as differences of `performance.now()` are; more than 34 s count as 34 s. */
  record(ms: number): void {
    const units = (ms * (1e6 / UNIT_NS)) | 0;
    this.counts[bucketOf(ms > 30_000 ? UNITS_MAX : units)]!++;
    this.total++;
    if (ms > this.maxMs) {
      this.maxMs = ms;
    }
  }

  /** The value that a share of all does not exceed, in microseconds: the middle of its bucket; 0 without any. */
  quantileUs(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.total));
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.counts[bucket]!;
      if (left <= 0) {
        return Math.min((middleOf(bucket) * UNIT_NS) / 1e3, this.maxMs * 1e3);
      }
    }
    return 0;
  }

  figures(): LatencyFigures {
    return {
      p50Us: this.quantileUs(0.5),
      p99Us: this.quantileUs(0.99),
      p999Us: this.quantileUs(0.999),
      maxUs: this.maxMs * 1e3,
    };
  }
}

/** Values below `PARTS` have a bucket each; above, each power of two has `PARTS` of them. */
function bucketOf(units: number): number {
  const power = 31 - Math.clz32(units | PARTS);
  const shift = power - PARTS_BITS;
  return shift === 0 && units < PARTS ? units : (shift + 1) * PARTS + ((units >>> shift) - PARTS);
}

function middleOf(bucket: number): number {
  if (bucket < PARTS) {
    return bucket + 0.5;
  }
  const shift = Math.floor(bucket / PARTS) - 1;
  return (PARTS + (bucket % PARTS) + 0.5) * 2 ** shift;
}
