/** What a process used between two moments: CPU, garbage collection, memory taken from V8's heap. */
import { GCProfiler } from 'node:v8';

export interface ProcessUsage {
  /** User and system. */
  readonly cpuUs: number;
  /** At the end. */
  readonly rssBytes: number;
}

export interface NodeUsage extends ProcessUsage {
  /** The main thread stood still for the collector so long. */
  readonly gcUs: number;
  /** On V8's heap, alive or not; the bytes of Buffers lie outside. */
  readonly allocatedBytes: number;
}

export class UsageWindow {
  private readonly profiler = new GCProfiler();
  private readonly heapBytes: number;
  private readonly cpuBefore = process.cpuUsage();

  constructor() {
    this.heapBytes = process.memoryUsage().heapUsed;
    this.profiler.start();
  }

  end(): NodeUsage {
    const { user, system } = process.cpuUsage(this.cpuBefore);
    const { statistics } = this.profiler.stop();
    let gcUs = 0;
    let allocatedBytes = 0;
    let leftBytes = this.heapBytes;
    // What the heap grew by from the end of one collection to the begin of the next was allocated.
    for (const { cost, beforeGC, afterGC } of statistics) {
      gcUs += cost;
      allocatedBytes += Math.max(0, beforeGC.heapStatistics.usedHeapSize - leftBytes);
      leftBytes = afterGC.heapStatistics.usedHeapSize;
    }
    const { heapUsed, rss } = process.memoryUsage();
    allocatedBytes += Math.max(0, heapUsed - leftBytes);
    return { cpuUs: user + system, rssBytes: rss, gcUs, allocatedBytes };
  }
}

export function sumOf<T extends ProcessUsage>(usages: readonly T[]): T {
  const sum: Record<string, number> = {};
  for (const usage of usages) {
    Object.entries(usage).forEach(([field, value]) => (sum[field] = (sum[field] ?? 0) + Number(value)));
  }
  return sum as unknown as T;
}
