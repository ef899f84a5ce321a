/** Deletes what lies in a range of the engine, a few keys a turn of the event loop: for the records of a whole group. */
import { type StoreEngine, type StoreRange } from '../engines/store-engine.js';

/** Read and deleted at a time: some 1 ms. */
const DELETES_PER_BATCH = 256;

/** @param nextTurn resolves in another turn of the event loop */
export async function deleteRange(
  engine: StoreEngine,
  { from, to }: StoreRange,
  nextTurn: () => Promise<void>,
): Promise<void> {
  let next = from;
  for (;;) {
    const keys: Uint8Array[] = [];
    for await (const { key } of engine.iterate({ from: next, to })) {
      keys.push(Uint8Array.from(key));
      if (keys.length === DELETES_PER_BATCH) {
        break;
      }
    }
    if (keys.length === 0) {
      return;
    }
    await engine.batch(
      keys.map((key) => ({ type: 'del', key })),
      { sync: !engine.syncsEarlier },
    );
    next = keys.at(-1)!;
    await nextTurn();
  }
}
