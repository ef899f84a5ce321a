/** The process that calls one of their stores: an application's place, as our first node has it. */
import { fill } from '../load/filling.js';
import { runLoad } from '../load/load-loop.js';
import { serve, tell } from '../processes/serve.js';
import { type PeerName } from '../workloads.js';
import { PEERS } from './peers.js';

export interface ClientSettings {
  readonly name: PeerName;
  readonly ports: readonly number[];
  /** Process ids of the servers: they have no channel that would tell them that the bench is gone. */
  readonly servers: readonly number[];
}

await serve(async ({ name, ports, servers }: ClientSettings) => {
  const { store, close } = await PEERS[name].connect(ports);
  return {
    close,
    abandoned: () => servers.forEach(endServer),
    handlers: {
      fill: (plan) => fill(store, plan, (count) => tell({ kind: 'written', count })),
      load: (plan) => runLoad(store, plan),
    },
  };
});

function endServer(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It had ended before.
  }
}
