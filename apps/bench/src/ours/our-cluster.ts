/** Our side: three nodes as processes, of which the first is the loaded one. */
import { randomUUID } from 'node:crypto';
import { type LoadPlan, type LoadReport } from '../load/load-loop.js';
import { type Belongings } from '../processes/belongings.js';
import { freePorts } from '../processes/free-port.js';
import { type Filling, type Subject, sumOf } from '../processes/subject.js';
import { Worker } from '../processes/worker.js';
import { type NodeSettings } from './node-application.js';
import { folderOf, NODE_IDS } from './ring.js';

const FILL_IN_FLIGHT = 256;

export interface ClusterSettings {
  /** Its nodes have a folder each in there. */
  readonly folder: string;
  readonly durability: 'wal' | 'fsync';
  /** Default: `ours`. */
  readonly name?: string;
}

export class OurCluster implements Subject {
  private constructor(
    readonly name: string,
    private readonly settings: readonly NodeSettings[],
    private readonly workers: Worker[],
    private readonly belongings: Belongings,
    /** From each process's start until its node was ready, all started at once. */
    readonly startedMs: readonly number[],
    readonly engine: string,
  ) {}

  /** Resolves when every node sees every node. */
  static async start(
    { folder, durability, name = 'ours' }: ClusterSettings,
    belongings: Belongings,
  ): Promise<OurCluster> {
    const ports = await freePorts(NODE_IDS.length);
    const nodes = NODE_IDS.map((nodeId, index) => `${nodeId}=127.0.0.1:${ports[index]}`).join();
    const apiKey = randomUUID();
    const settings = NODE_IDS.map((nodeId) => {
      return { nodeId, nodes, apiKey, dataDir: folderOf(folder, nodeId), durability };
    });
    const workers = settings.map((of) => startNode(name, of, belongings));
    // All at once: one alone would wait for what it asked of the others.
    belongings.add(() => stopAll(workers));
    const started = await Promise.all(workers.map(({ ready }) => ready));
    await Promise.all(workers.map((worker) => worker.ask('see-all-up', null)));
    const startedMs = started.map(({ tookMs }) => tookMs);
    return new OurCluster(name, settings, workers, belongings, startedMs, started[0]!.about);
  }

  /** Through all nodes at once for keys that all hold, through the first one for those that it does not. */
  async fill({ keys, valueBytes, place }: Filling, onWritten?: (count: number) => void): Promise<void> {
    const writers = place === 'held' ? this.workers : this.workers.slice(0, 1);
    const share = Math.ceil(keys / writers.length);
    const inFlight = Math.ceil(FILL_IN_FLIGHT / writers.length);
    await Promise.all(
      writers.map((worker, index) => {
        const [from, to] = [index * share, Math.min(keys, (index + 1) * share)];
        return worker.ask('fill', { place, from, to, valueBytes, inFlight }, onWritten);
      }),
    );
  }

  load(plan: LoadPlan): Promise<LoadReport> {
    return this.workers[0]!.ask('load', plan);
  }

  async usage() {
    const [caller, ...others] = await Promise.all(this.workers.map((worker) => worker.ask('usage', null)));
    return { caller: caller!, others: sumOf(others) };
  }

  /** The nodes' processes by number, from 1. */
  node(number: number): Worker {
    return this.workers[number - 1]!;
  }

  /** Stops a node and starts it again while the others run; resolves with how long it took until it was ready. */
  async restart(number: number): Promise<number> {
    await this.node(number).stop();
    const worker = startNode(this.name, this.settings[number - 1]!, this.belongings);
    this.workers[number - 1] = worker;
    const { tookMs } = await worker.ready;
    await Promise.all(this.workers.map((each) => each.ask('see-all-up', null)));
    return tookMs;
  }
}

function startNode(cluster: string, settings: NodeSettings, belongings: Belongings): Worker {
  return new Worker(`${cluster}, ${settings.nodeId}`, 'ours/node-process', settings, belongings);
}

async function stopAll(workers: readonly Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.stop()));
}
