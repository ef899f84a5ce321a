/** Three nodes become five, are restarted, lose a disk and a node, and are three again, under a load: what callers notice, what moves. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type ClusterReport, type MovesReport, type PartitionReport } from 'nestjs-dkv';
import { SimRandom } from '../../libs/dkv/testing/simulation/sim-random.js';
import { ChaosNode } from '../chaos/chaos-node.js';
import { HttpCaller } from '../chaos/http-caller.js';
import { pickFreePorts } from '../e2e/free-ports.js';
import { until } from '../e2e/until.js';
import { Tally } from './tally.js';
import { VersionedLoad } from './versioned-load.js';

const FOUNDERS = 3;
const NODES = 5;
const HOST = '127.0.0.1';
const ADMIN_KEY = 'only-for-the-figures-of-members';
const WITHIN_MS = 30 * 60_000;
/** Much longer than a restart takes. */
const REMOVAL_MS = 60_000;

export interface MembersSettings {
  readonly keys: number;
  readonly clients: number;
  /** How long the load is measured before anything changes. */
  readonly beforeMs: number;
  readonly seed: string;
  readonly say: (line: string) => void;
}

export interface PhaseResult {
  readonly name: string;
  readonly tally: Tally;
  /** Copies on nodes that had none of that partition before, and the fewest that there could be. */
  readonly moved: number;
  readonly ideal: number;
}

export interface MembersResult {
  readonly before: PhaseResult;
  readonly changes: readonly PhaseResult[];
  readonly lostWrites: number;
  readonly staleReads: number;
  readonly wrongConflicts: number;
}

export async function runMembers(settings: MembersSettings): Promise<MembersResult> {
  const folder = await mkdtemp(join(tmpdir(), 'dkv-members-'));
  // The nodes end with this process, however that ends.
  const abandon = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', abandon);
  const cluster = await MembersCluster.prepare(folder);
  try {
    return await measure(cluster, settings);
  } finally {
    await cluster.dispose();
    abandon();
    process.off('exit', abandon);
  }
}

async function measure(cluster: MembersCluster, settings: MembersSettings): Promise<MembersResult> {
  const { keys, clients, beforeMs, seed, say } = settings;
  const { nodes } = cluster;
  const [first, second, third, fourth, fifth] = nodes as [
    ChaosNode,
    ChaosNode,
    ChaosNode,
    ChaosNode,
    ChaosNode,
  ];
  const founders = [first, second, third];
  founders.forEach((node) => node.launch());
  await Promise.all(founders.map((node) => node.ready()));
  const load = new VersionedLoad(keys, clients, [...founders], new SimRandom(seed));
  await load.fill();
  say(`${keys} keys are written.`);
  const ended = load.run();
  const phase = async (name: string, work: () => Promise<unknown>): Promise<PhaseResult> => {
    const listsBefore = await cluster.lists();
    load.tally = new Tally();
    const { tally } = load;
    await work();
    tally.end();
    say(`${name}: ${tally.seconds.toFixed(1)} s.`);
    return { name, tally, ...movedBetween(listsBefore, await cluster.lists()) };
  };
  const before = await phase('before', () => pause(beforeMs));
  /** Callers are at other nodes: whoever is at one that stops has to go elsewhere in any case. */
  const serving = (...serving: readonly ChaosNode[]) => load.nodes.splice(0, load.nodes.length, ...serving);
  const changes = [
    await phase('3 → 5', async () => {
      for (const node of [fourth, fifth]) {
        node.launch();
      }
      await Promise.all([fourth.ready(WITHIN_MS), fifth.ready(WITHIN_MS)]);
      serving(...nodes);
      await cluster.settledAs(nodes);
    }),
    await phase('rolling', async () => {
      for (const node of nodes) {
        serving(...nodes.filter((other) => other !== node));
        if (!(await node.stop())) {
          throw new Error(`${node.id} did not stop in time.`);
        }
        node.launch();
        await node.ready(WITHIN_MS);
      }
      serving(...nodes);
    }),
    await phase('disk lost', async () => {
      serving(...nodes.filter((other) => other !== third));
      await third.kill9();
      rmSync(third.dataDir, { recursive: true });
      third.launch();
      await third.ready(WITHIN_MS);
      await cluster.allVote();
      serving(...nodes);
    }),
    await phase('node lost', async () => {
      serving(first, second, third, fifth);
      await fourth.kill9();
      await cluster.settledAs([first, second, third, fifth]);
      await cluster.allVote();
    }),
    await phase('4 → 3', async () => {
      serving(second, third, fifth);
      await cluster.decommission(first);
      await cluster.settledAs([second, third, fifth]);
    }),
  ];
  load.stop();
  await ended;
  load.tally = undefined;
  const { staleReads, wrongConflicts } = load;
  return { before, changes, lostWrites: await load.lost(), staleReads, wrongConflicts };
}

/** What came to a node has to have come; of what a node has too few, as many at least. */
function movedBetween(before: Lists, after: Lists): { moved: number; ideal: number } {
  let moved = 0;
  const held = new Map<string, number>();
  for (const [partition, list] of after) {
    const was = before.get(partition) ?? [];
    moved += list.filter((nodeId) => !was.includes(nodeId)).length;
    list.forEach((nodeId) => held.set(nodeId, (held.get(nodeId) ?? 0) + 1));
    was.forEach((nodeId) => held.set(nodeId, (held.get(nodeId) ?? 0) - 1));
  }
  const ideal = [...held.values()].filter((more) => more > 0).reduce((sum, more) => sum + more, 0);
  return { moved, ideal };
}

type Lists = ReadonlyMap<number, readonly string[]>;

class MembersCluster {
  private constructor(
    readonly nodes: readonly ChaosNode[],
    private readonly admins: ReadonlyMap<ChaosNode, HttpCaller>,
  ) {}

  /** Nothing runs yet. Those behind the founders know of them, and nobody knows of those. */
  static async prepare(folder: string): Promise<MembersCluster> {
    const ports = await pickFreePorts(2 * NODES);
    const places = ports.slice(NODES).map((port, index) => `node${index + 1}=${HOST}:${port}`);
    const founders = places.slice(0, FOUNDERS);
    const admins = new Map<ChaosNode, HttpCaller>();
    const nodes = places.map((place, index) => {
      const id = `node${index + 1}`;
      const node = new ChaosNode({
        id,
        host: HOST,
        port: ports[index]!,
        dataDir: join(folder, id),
        env: {
          HOST,
          DKV_NODES: (index < FOUNDERS ? founders : [...founders, place]).join(),
          DKV_API_KEY: 'shared-by-the-figures-of-members',
          DKV_ADMIN_KEY: ADMIN_KEY,
          DKV_MEMBER_REMOVAL_MS: String(REMOVAL_MS),
          NO_COLOR: '1',
        },
      });
      admins.set(node, new HttpCaller(HOST, ports[NODES + index]!));
      return node;
    });
    return new MembersCluster(nodes, admins);
  }

  /** The nodes of each partition, as the newest configuration has it. */
  async lists(): Promise<Lists> {
    const node = this.nodes[1]!;
    const { partitions } = await this.ask<ClusterReport>(node, 'GET', '/admin/cluster');
    const reports = await this.ask<readonly PartitionReport[]>(node, 'GET', '/admin/partitions');
    return new Map(reports.filter(({ group }) => group < partitions).map(({ group, list }) => [group, list]));
  }

  async decommission({ id }: ChaosNode): Promise<void> {
    await this.ask(this.nodes[1]!, 'POST', '/admin/decommission', { nodeId: id });
  }

  async settledAs(members: readonly ChaosNode[]): Promise<void> {
    const ids = members.map(({ id }) => id).join();
    await until(
      `${ids} to be the members, with all in place`,
      async () => {
        const report = await this.ask<MovesReport>(members[0]!, 'GET', '/admin/moves');
        return report.isSettled && report.members.map(({ nodeId }) => nodeId).join() === ids;
      },
      WITHIN_MS,
    );
  }

  /** Until every node of each partition votes in it, as whoever leads it has it. */
  async allVote(): Promise<void> {
    await until(
      'all copies to be voters',
      async () => {
        const reports = await this.ask<readonly PartitionReport[]>(
          this.nodes[1]!,
          'GET',
          '/admin/partitions',
        );
        return reports.every(({ list, voters = [], outgoing = [] }) => {
          const isSame = [...list].sort().join() === [...voters].sort().join();
          return isSame && outgoing.length === 0;
        });
      },
      WITHIN_MS,
    );
  }

  async dispose(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill9()));
    [...this.nodes, ...this.admins.values()].forEach((each) => each.close());
  }

  private async ask<T>(node: ChaosNode, method: string, path: string, body?: unknown): Promise<T> {
    const headers = { 'x-admin-key': ADMIN_KEY };
    const reply = await this.admins.get(node)!.send(method, path, { body, headers });
    if (reply.kind !== 'answer' || reply.status !== 200) {
      throw new Error(`${node.id}: ${method} ${path}: ${JSON.stringify(reply)}`);
    }
    return reply.body as T;
  }
}
