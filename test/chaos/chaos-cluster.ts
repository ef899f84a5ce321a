/** Three real nodes on RocksDB with links and a disk that can be attacked, and what of that this machine allows. */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../e2e/until.js';
import { ChaosNode } from './chaos-node.js';
import { type Links } from './links.js';
import { NetnsLinks } from './netns-links.js';
import { ProxyLinks } from './proxy-links.js';
import { SmallDisk } from './small-disk.js';

export type Mode = 'strong' | 'eventual';
export type LinkChoice = 'netns' | 'proxy' | 'auto';

export interface ClusterSettings {
  readonly mode: Mode;
  readonly links: LinkChoice;
  readonly leases: boolean;
  readonly diskMegabytes: number;
  /** Called with what this machine does not allow, for people. */
  readonly warn: (line: string) => void;
}

const IDS = ['node1', 'node2', 'node3'] as const;
/** The one whose disk is small. */
export const SMALL_DISK_NODE = 2;
const SHARED_KEY = 'the-key-of-the-chaos-tests';

export class ChaosCluster {
  private constructor(
    readonly nodes: readonly ChaosNode[],
    readonly links: Links,
    /** Of {@link SMALL_DISK_NODE}; undefined where none can be mounted. */
    readonly disk: SmallDisk | undefined,
    private readonly folder: string,
  ) {
    process.once('exit', this.abandon);
  }

  /** Resolves when every node is ready and sees every other. */
  static async start(settings: ClusterSettings): Promise<ChaosCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'dkv-chaos-'));
    const links = await openLinks(settings);
    const disk = await mountDisk(join(folder, IDS[SMALL_DISK_NODE]), settings);
    const nodes = IDS.map((id, index) => {
      const { host, port, bind, nodes, wrapper } = links.places[index]!;
      const env = {
        HOST: bind,
        DKV_NODES: nodes,
        DKV_API_KEY: SHARED_KEY,
        DKV_MODE: settings.mode,
        DKV_LEASE_READS: settings.leases ? 'on' : 'off',
        DKV_STORAGE: 'auto',
        NO_COLOR: '1',
      };
      return new ChaosNode({ id, host, port, dataDir: join(folder, id, 'data'), env, wrapper });
    });
    const cluster = new ChaosCluster(nodes, links, disk, folder);
    try {
      nodes.forEach((node) => node.launch());
      await cluster.settled();
      return cluster;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  /** Every node is ready and sees every other. */
  async settled(withinMs?: number): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.ready(withinMs)));
    await until(
      'all nodes to see each other',
      async () => (await Promise.all(this.nodes.map(seesAll))).every(Boolean),
      withinMs,
    );
  }

  async dispose(): Promise<void> {
    process.off('exit', this.abandon);
    await Promise.all(this.nodes.map((node) => node.kill9()));
    this.nodes.forEach((node) => node.close());
    await this.links.dispose();
    this.disk?.unmount();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The end of what each node wrote. */
  get log(): string {
    return this.nodes.map(({ id, log }) => `--- ${id}\n${log.slice(-8_000)}`).join('\n');
  }

  /** This process ends in the middle of a run. A node that is stopped would go on as if nothing had happened. */
  private readonly abandon = () => {
    this.nodes.forEach((node) => void node.kill9());
    this.links.abandon();
    this.disk?.unmount();
    rmSync(this.folder, { recursive: true, force: true });
  };
}

async function seesAll(node: ChaosNode): Promise<boolean> {
  const reply = await node.send('GET', '/cluster', { timeoutMs: 2_000 });
  const body = reply.kind === 'answer' ? (reply.body as { nodes?: readonly { state: string }[] }) : {};
  return body.nodes?.length === IDS.length && body.nodes.every(({ state }) => state === 'up');
}

async function openLinks({ links, warn }: ClusterSettings): Promise<Links> {
  if (links !== 'proxy') {
    try {
      return await NetnsLinks.open(IDS);
    } catch (error) {
      if (links === 'netns') {
        throw error;
      }
      warn(`NOT RUN: network namespaces (${brief(error)}); links are cut by proxies instead.`);
    }
  }
  return ProxyLinks.open(IDS);
}

async function mountDisk(
  folder: string,
  { diskMegabytes, warn }: ClusterSettings,
): Promise<SmallDisk | undefined> {
  try {
    return await SmallDisk.mount(folder, diskMegabytes);
  } catch (error) {
    warn(`NOT RUN: a full disk, as no tmpfs can be mounted here (${brief(error)}). Root on Linux can.`);
    return undefined;
  }
}

/** Of a command that failed: the first line that it wrote itself. */
function brief(error: unknown): string {
  const [first = '', second = first] = (error instanceof Error ? error.message : String(error)).split('\n');
  return second.trim() || first;
}
