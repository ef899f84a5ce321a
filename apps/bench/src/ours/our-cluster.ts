/** Our side: three nodes as processes, of which the first is the loaded one. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoadPlan } from '../load/load-loop.js';
import { type Belongings } from '../processes/belongings.js';
import { freePorts } from '../processes/free-port.js';
import { type Filling, type Loaded, type Subject } from '../processes/subject.js';
import { type NodeUsage, sumOf } from '../processes/window.js';
import { Worker } from '../processes/worker.js';
import { type OurName } from '../workloads.js';
import { type NodeSettings } from './node-application.js';
import { selfSigned } from './self-signed.js';

const NODE_IDS = ['node1', 'node2', 'node3'] as const;
const FILL_IN_FLIGHT = 256;
/** Of all nodes in a second. */
const QUIET_CPU_US = 150_000;
const SETTINGS: Readonly<Record<OurName, Pick<NodeSettings, 'durability' | 'hashFunc'>>> = {
  ours: { durability: 'wal', hashFunc: 'md5' },
  'ours-xxhash': { durability: 'wal', hashFunc: 'xxhash' },
  'ours-fsync': { durability: 'fsync', hashFunc: 'md5' },
  'ours-tls': { durability: 'wal', hashFunc: 'md5' },
  'ours-one-process': { durability: 'wal', hashFunc: 'md5' },
};

export class OurCluster implements Subject {
  private constructor(
    readonly name: OurName,
    private readonly launch: (nodeIds: readonly string[]) => Worker,
    private workers: readonly Worker[],
  ) {}

  /** Resolves when every node sees every node. @throws NotThereError for TLS without `openssl` */
  static async start(name: OurName, belongings: Belongings): Promise<OurCluster> {
    const folder = belongings.folder();
    const ports = await freePorts(NODE_IDS.length);
    const nodes = NODE_IDS.map((nodeId, index) => `${nodeId}=127.0.0.1:${ports[index]}`).join();
    const apiKey = randomUUID();
    const tls = name === 'ours-tls' ? await selfSigned(folder) : undefined;
    const settingsOf = (nodeId: string): NodeSettings => ({
      nodeId,
      nodes,
      apiKey,
      tls,
      dataDir: join(folder, nodeId),
      ...SETTINGS[name],
    });
    const launch = (nodeIds: readonly string[]) =>
      new Worker(`${name}, ${nodeIds.join()}`, 'ours/node-process', nodeIds.map(settingsOf), belongings);
    const cluster = new OurCluster(name, launch, []);
    // All at once: one alone would wait for what it asked of the others.
    belongings.add(() => cluster.stop());
    await cluster.startNodes();
    return cluster;
  }

  /** Starts all processes, the first time or again; resolves when all are ready, with the seconds that it took. */
  async startNodes(): Promise<number> {
    const began = performance.now();
    const processes = this.name === 'ours-one-process' ? [NODE_IDS] : NODE_IDS.map((nodeId) => [nodeId]);
    this.workers = processes.map(this.launch);
    await Promise.all(this.workers.map(({ ready }) => ready));
    const seconds = (performance.now() - began) / 1000;
    await Promise.all(this.workers.map((worker) => worker.ask('see-all-up', null)));
    return seconds;
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
  }

  async kill(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.kill()));
  }

  /** Through all nodes at once for keys that all hold, through the first one for those that it does not. */
  async fill(
    { from: first = 0, keys, valueBytes, place }: Filling,
    onWritten?: (count: number) => void,
  ): Promise<void> {
    const writers = place === 'held' ? this.workers : this.workers.slice(0, 1);
    const share = Math.ceil((keys - first) / writers.length);
    const inFlight = Math.ceil(FILL_IN_FLIGHT / writers.length);
    await Promise.all(
      writers.map((worker, index) => {
        const from = first + index * share;
        const to = Math.min(keys, from + share);
        return worker.ask('fill', { place, from, to, valueBytes, inFlight }, onWritten);
      }),
    );
  }

  async load(plan: LoadPlan): Promise<Loaded> {
    const [report, usages] = await this.measured(() => this.workers[0]!.ask('load', plan));
    const nodes = sumOf(usages);
    return { report, caller: usages[0]!, all: nodes, nodes };
  }

  /** Resolves when the nodes do next to nothing: engines have merged what was written. After `seconds` in any case. */
  async quiet(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left--) {
      const [, usages] = await this.measured(() => sleep(1000));
      if (sumOf(usages).cpuUs < QUIET_CPU_US) {
        return;
      }
    }
  }

  /** The nodes' processes by number, from 1. */
  node(number: number): Worker {
    return this.workers[number - 1]!;
  }

  /** With what each process used meanwhile. */
  private async measured<T>(work: () => Promise<T>): Promise<[T, readonly NodeUsage[]]> {
    await Promise.all(this.workers.map((worker) => worker.ask('begin-window', null)));
    const result = await work();
    return [result, await Promise.all(this.workers.map((worker) => worker.ask('end-window', null)))];
  }
}
