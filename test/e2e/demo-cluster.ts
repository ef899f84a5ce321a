/** A cluster of real processes on ports and folders of its own; a test starts it, hurts it and stops it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { DemoNode } from './demo-node.js';
import { pickFreePorts } from './free-ports.js';
import { until } from './until.js';

export const API_KEY = 'the-key-of-the-tests';

/** Another process may take a port between the pick and the start. */
const PICKS_MAX = 5;

export interface ClusterSettings {
  readonly env?: Readonly<Record<string, string>>;
  /** Nodes beside those, which know of them and which nobody knows of: for the test to start. Default: 0. */
  readonly newcomers?: number;
  /** The Node binary that runs the nodes. */
  readonly node?: string;
  /** How many files and sockets each node may open. */
  readonly descriptorsMax?: number;
}

export class DemoCluster {
  private constructor(
    readonly nodes: readonly DemoNode[],
    /** See {@link ClusterSettings.newcomers}. */
    readonly newcomers: readonly DemoNode[],
    private readonly folder: string,
  ) {}

  /** Resolves when every node is ready and sees every other. */
  static async start(count: number, settings: ClusterSettings = {}): Promise<DemoCluster> {
    for (let pick = 1; ; pick++) {
      const cluster = await DemoCluster.prepare(count, settings);
      try {
        await cluster.startAll();
        return cluster;
      } catch (error) {
        await cluster.dispose();
        if (pick === PICKS_MAX || !/PORT_IN_USE/.test(String(error))) {
          throw error;
        }
      }
    }
  }

  /** A cluster of which nothing runs yet. */
  static async prepare(
    count: number,
    { env = {}, newcomers = 0, node, descriptorsMax }: ClusterSettings = {},
  ): Promise<DemoCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'dkv-e2e-'));
    const ports = await pickFreePorts(2 * (count + newcomers));
    const peerPorts = ports.splice(count + newcomers);
    const ids = ports.map((_, index) => `node${index + 1}`);
    const places = ids.map((id, index) => `${id}=127.0.0.1:${peerPorts[index]}`);
    const founders = places.slice(0, count);
    const nodes = ids.map(
      (id, index) =>
        new DemoNode({
          id,
          port: ports[index]!,
          peerPort: peerPorts[index]!,
          dataDir: join(folder, id),
          env: {
            DKV_NODES: (index < count ? founders : [...founders, places[index]]).join(),
            DKV_API_KEY: API_KEY,
            ...env,
          },
          node,
          descriptorsMax,
        }),
    );
    return new DemoCluster(nodes.slice(0, count), nodes.slice(count), folder);
  }

  /** Starts the nodes that do not run. */
  async startAll(): Promise<void> {
    await Promise.all(this.nodes.filter(({ running }) => !running).map((node) => node.start()));
    await this.settled();
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.nodes.filter(({ running }) => running).map((node) => node.stop()));
  }

  /** Every node that runs is ready and sees every other that runs. */
  async settled(): Promise<void> {
    const running = this.nodes.filter((node) => node.running);
    await until('all running nodes to be ready and to see each other', async () => {
      const views = await Promise.all(running.map((node) => node.view()));
      const ready = await Promise.all(running.map((node) => node.http.send('GET', '/health/ready')));
      return (
        views.every((view) => running.every(({ id }) => view[id] === 'up')) &&
        ready.every(({ status }) => status === 200)
      );
    });
  }

  /** Ends every process without asking, and removes every file. */
  async dispose(): Promise<void> {
    await Promise.all(this.all.filter(({ running }) => running).map((node) => node.kill9()));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** All that the nodes wrote, for whoever looks for the cause of a failure. */
  get log(): string {
    return this.all.map(({ log }) => log).join('');
  }

  private get all(): readonly DemoNode[] {
    return [...this.nodes, ...this.newcomers];
  }
}

/** A cluster for the tests of the calling block, gone after them; its log is printed when one of them fails. */
export function useCluster(count: number, settings?: ClusterSettings): () => DemoCluster {
  let cluster: DemoCluster | undefined;
  beforeAll(async () => {
    cluster = await DemoCluster.start(count, settings);
  }, 300_000);
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') {
      process.stderr.write(cluster?.log ?? '');
    }
  });
  afterAll(() => cluster?.dispose());
  return () => cluster!;
}
