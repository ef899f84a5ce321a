/** Fills the folders of our nodes before they start: all that they hold, without what a write costs between them. */
import { writeTelling } from '../output.js';
import { type Belongings } from '../processes/belongings.js';
import { type PrefillPlan } from '../processes/tasks.js';
import { Worker } from '../processes/worker.js';
import { valueSize } from '../report/number-format.js';
import { folderOf, NODE_IDS } from './ring.js';

/** Each takes a core and more: RocksDB compacts in threads of its own. */
const AT_ONCE = 2;

/** The keys and values that a load of keys `held` finds, in a process for each node. */
export async function prefill(folder: string, plan: PrefillPlan, belongings: Belongings): Promise<void> {
  const what = `${NODE_IDS.length} folders: ${valueSize(plan.valueBytes)} values`;
  const left = [...NODE_IDS];
  await writeTelling(what, NODE_IDS.length * plan.keys, async (onWritten) => {
    const fillNext = async () => {
      for (let nodeId = left.shift(); nodeId !== undefined; nodeId = left.shift()) {
        const settings = { nodeId, dataDir: folderOf(folder, nodeId) };
        const worker = new Worker(`fill ${nodeId}`, 'ours/prefill-process', settings, belongings);
        await worker.ask('prefill', plan, onWritten);
        await worker.stop();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, fillNext));
  });
}
