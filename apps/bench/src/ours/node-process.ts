/** The process of one of our nodes; the load runs inside it, as an application's own calls do. */
import { fill } from '../load/filling.js';
import { runLoad } from '../load/load-loop.js';
import { serve, tell } from '../processes/serve.js';
import { workloadOf } from '../workloads.js';
import { CpuProfiling } from './cpu-profiling.js';
import { NodeApplication, type NodeSettings } from './node-application.js';

await serve(async (settings: NodeSettings) => {
  const node = await NodeApplication.start(settings);
  const profiling = new CpuProfiling();
  return {
    close: () => node.close(),
    handlers: {
      fill: (plan) =>
        fill(node.storeOf(plan.place, plan.to), plan, (count) => tell({ kind: 'written', count })),
      load: (plan) => {
        const { place, readLevel } = workloadOf(plan.workload);
        return runLoad(node.storeOf(place, plan.keys, readLevel), plan);
      },
      'see-all-up': () => node.seeAllUp(),
      'begin-profile': () => profiling.begin(),
      'end-profile': (file) => profiling.end(file),
    },
  };
});
