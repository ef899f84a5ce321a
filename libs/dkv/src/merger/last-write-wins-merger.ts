/** The default merger: the newer version wins, the older one is forgotten. */
import { type Merger, type MergeSide } from '../ports/merger.js';

export class LastWriteWinsMerger<V = unknown> implements Merger<V> {
  readonly name = 'last-write-wins';

  merge(current: MergeSide<V>, incoming: MergeSide<V>): V {
    return incoming.version > current.version ? incoming.value : current.value;
  }
}
