/** A cluster in strong mode, as specs of lost power and lost disks need it: what they do to it, and what they look at. */
import { type MemberId } from '../../src/model/raft-messages.js';
import { type StrongGroup } from '../../src/strong/strong-group.js';
import { groupsOf, memberOf } from './group-facts.js';
import { checkGroupInvariants } from './raft-invariants.js';
import { createTestCluster, type TestCluster, type TestClusterOptions } from './sim-cluster.js';

const KEYS = 12;
const READ = { level: 'linearizable' } as const;

/** Born, with a leader for each group. */
export async function strongCluster(
  size: number,
  options: Omit<TestClusterOptions, 'mode'> = {},
): Promise<TestCluster> {
  const cluster = createTestCluster(size, { partitions: 4, ...options, mode: 'strong' });
  await cluster.start();
  await cluster.advance(2_000);
  return cluster;
}

/** @param value what each of the keys holds from now on, before its number */
export async function putAll(cluster: TestCluster, value: string): Promise<void> {
  for (let key = 0; key < KEYS; key++) {
    await cluster.put(cluster.nodeIds[key % cluster.nodeIds.length]!, `k${key}`, `${value}${key}`);
  }
}

/** @returns what the keys of `putAll` hold, without their numbers, each different one once */
export async function valuesOf(cluster: TestCluster): Promise<string[]> {
  const values = new Set<string>();
  for (let key = 0; key < KEYS; key++) {
    const value = await cluster.get('a', `k${key}`, READ);
    values.add(value?.slice(0, -`${key}`.length) ?? 'nothing');
  }
  return [...values];
}

/** All go down at once; of the machines named, what was not synced may be lost. */
export function blackout(cluster: TestCluster, ...powerless: readonly string[]): void {
  cluster.nodeIds.forEach((nodeId) => cluster.kill(nodeId));
  powerless.forEach((nodeId) => cluster.node(nodeId).losePower());
}

/** Without waiting for them: a node alone is not ready before others are there. */
export function startNodes(cluster: TestCluster, nodeIds: readonly string[] = cluster.nodeIds): void {
  for (const nodeId of nodeIds) {
    cluster
      .node(nodeId)
      .start()
      .catch(() => undefined);
  }
}

/** Of a cluster with one partition: the group, as the node has it. */
export function groupAt(cluster: TestCluster, nodeId: string): StrongGroup {
  return groupsOf(cluster.node(nodeId))!.get(0)!;
}

/** The node finds out, while it runs, that it may have forgotten what it acknowledged (rule 12). */
export function forget(cluster: TestCluster, nodeId: string): void {
  const { strong } = cluster.node(nodeId);
  (strong as unknown as { forgetting: { begin(reason: string): void } }).forgetting.begin('of a test');
}

/** @returns whom the nodes miss among the voters of their groups, or count too much; empty where all is well */
export function wrongVoters(cluster: TestCluster): string[] {
  const wrong: string[] = [];
  const member = (nodeId: string) => memberOf(cluster.node(nodeId));
  for (const nodeId of cluster.nodeIds) {
    for (const { number, list, raft } of groupsOf(cluster.node(nodeId))!.values()) {
      const { voters, outgoing } = raft.configuration;
      const found = [...voters].sort().join(', ');
      const expected = list.map(member).sort().join(', ');
      if (found !== expected || outgoing.length > 0) {
        wrong.push(
          `${number} at ${nodeId}: ${found} instead of ${expected}, outgoing ${outgoing.join(', ')}`,
        );
      }
    }
    const { unreadyReason } = cluster.node(nodeId).processor;
    if (unreadyReason !== undefined) {
      wrong.push(`${nodeId}: ${unreadyReason}`);
    }
  }
  return wrong;
}

/** @returns of Raft's properties, those that the members of one generation of a group break now */
export function brokenRules(cluster: TestCluster): string[] {
  const here = cluster.nodeIds.flatMap((nodeId) =>
    [...(groupsOf(cluster.node(nodeId))?.values() ?? [])]
      .filter(({ raft }) => raft.configuration.voters.length > 0)
      .map(({ number, generation, raft }) => ({
        history: `${number}/${generation}`,
        member: memberOf(cluster.node(nodeId)),
        group: raft,
      })),
  );
  return [...new Set(here.map(({ history }) => history))]
    .flatMap((one) => checkGroupInvariants(here.filter(({ history }) => history === one)))
    .map(({ rule }) => rule);
}

/** @returns the nodes as the groups know them */
export function membersOf(cluster: TestCluster, nodeIds: readonly string[] = cluster.nodeIds): MemberId[] {
  return nodeIds.map((nodeId) => memberOf(cluster.node(nodeId)));
}
