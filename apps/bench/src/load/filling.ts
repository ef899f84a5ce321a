/** Writes every key once, as fast as the store takes them, before anything is measured. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Store } from './store.js';
import { createValues } from './values.js';

/** A store that takes no write for so long is not just busy. */
const INSIST_MS = 15_000;
const PAUSE_MS = 20;

export interface FillPlan {
  /** Indices from here on … */
  readonly from: number;
  /** … up to, not with, this one. */
  readonly to: number;
  readonly valueBytes: number;
  readonly inFlight: number;
}

/**
 * A write that is refused, as when more is under way than the store takes, is tried again after a pause.
 * @param onWritten called now and then with how many were written since the last call
 * @throws what a write failed with, when it failed for too long
 */
export async function fill(
  store: Store,
  { from, to, valueBytes, inFlight }: FillPlan,
  onWritten: (count: number) => void = () => undefined,
): Promise<void> {
  const values = createValues(valueBytes);
  let next = from;
  let unreported = 0;
  const writer = async () => {
    while (next < to) {
      const index = next++;
      await insist(() => store.write(store.key(index), values[index % values.length]!));
      if (++unreported === 1_000) {
        onWritten(unreported);
        unreported = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, writer));
  onWritten(unreported);
}

async function insist(write: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  for (;;) {
    try {
      await write();
      return;
    } catch (error) {
      if (performance.now() - began > INSIST_MS) {
        throw error;
      }
      await sleep(PAUSE_MS);
    }
  }
}
