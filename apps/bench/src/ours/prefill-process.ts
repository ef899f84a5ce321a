/** The process that fills the folder of one of our nodes while that node does not run. */
import { StaticDiscovery } from 'nestjs-dkv';
import { prefillStore } from 'nestjs-dkv/testing';
import { keyOf } from '../load/store.js';
import { createEqualValues } from '../load/values.js';
import { serve, tell } from '../processes/serve.js';
import { NODE_IDS, RING } from './ring.js';

export interface PrefillSettings {
  readonly nodeId: string;
  readonly dataDir: string;
}

/** Where a node listens changes nothing of what it holds. */
const ANYWHERE = { host: '127.0.0.1', port: 7000 };

await serve(async ({ nodeId, dataDir }: PrefillSettings) => ({
  about: 'prefill',
  close: async () => undefined,
  handlers: {
    prefill: async ({ keys: count, valueBytes }) => {
      const discovery = new StaticDiscovery(NODE_IDS.map((id) => ({ nodeId: id, ...ANYWHERE })));
      const values = createEqualValues(valueBytes);
      await prefillStore({
        dataDir,
        nodeId,
        nodes: await discovery.getNodes(),
        ...RING,
        count,
        keyAt: keyOf,
        valueAt: (index) => values[index % values.length]!,
        onProgress: (written) => tell({ kind: 'written', count: written }),
      });
    },
  },
}));
