/** The process of one of our nodes, or of several; the load runs inside it, as an application's own calls do. */
import { fill } from '../load/filling.js';
import { runLoad } from '../load/load-loop.js';
import { serve, tell } from '../processes/serve.js';
import { workloadOf } from '../workloads.js';
import { CpuProfiling } from './cpu-profiling.js';
import { NodeApplication, type NodeSettings } from './node-application.js';

await serve(async (settings: readonly NodeSettings[]) => {
  const nodes = await Promise.all(settings.map((of) => NodeApplication.start(of)));
  const node = nodes[0]!;
  const profiling = new CpuProfiling();
  return {
    close: async () => void (await Promise.all(nodes.map((each) => each.close()))),
    handlers: {
      fill: (plan) =>
        fill(node.storeOf(plan.place, plan.to), plan, (count) => tell({ kind: 'written', count })),
      load: (plan) => {
        const { place, readLevel } = workloadOf(plan.workload);
        return runLoad(node.storeOf(place, plan.keys, readLevel), plan);
      },
      'see-all-up': async () => void (await Promise.all(nodes.map((each) => each.seeAllUp()))),
      'begin-profile': () => profiling.begin(),
      'end-profile': (file) => profiling.end(file),
    },
  };
});
