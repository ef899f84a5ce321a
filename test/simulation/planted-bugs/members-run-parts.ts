/** What directed runs of clusters whose members change are made of. */
import { groupsOf, memberOf } from '../../../libs/dkv/testing/simulation/group-facts.js';
import { type TestCluster } from '../../../libs/dkv/testing/simulation/sim-cluster.js';
import { putAll, strongCluster } from '../../../libs/dkv/testing/simulation/strong-cluster.js';
import { StrongWitness } from '../../../libs/dkv/testing/simulation/strong-witness.js';
import { withChanges } from '../../../libs/dkv/src/cluster/configuration-changes.js';
import { nodeOf } from '../../../libs/dkv/src/model/raft-messages.js';
import { type MembershipChange } from '../../../libs/dkv/src/model/membership.js';
import { type ClusterMembership } from '../../../libs/dkv/src/strong/membership/cluster-membership.js';
import { type StrongGroup } from '../../../libs/dkv/src/strong/strong-group.js';
import { type ReplicatedStrongMode } from '../../../libs/dkv/src/strong/strong-mode.js';

type Receive = ClusterMembership['receive'];
export type Message = Parameters<Receive>[1];

/** Of the one partition that these clusters have. */
export const GROUP = 0;
export const WEIGHTS = [0.01, 1, 100];

/** One partition with three copies, which has records; nobody does anything but what the run does. */
export async function placed(size: number) {
  const cluster = await strongCluster(size, { partitions: 1, replicas: 2 });
  const witness = new StrongWitness(cluster);
  await putAll(cluster, 'v');
  return { cluster, witness, list: cluster.nodesOf(GROUP) };
}

/** What others say of such a kind to the node: it hears of it by `say` only, or with `isHeard` at once and by that once more. */
export function holdBack(
  cluster: TestCluster,
  nodeId: string,
  kind: Message['kind'],
  isHeard = false,
): { readonly held: unknown[]; readonly say: () => void } {
  const membership = membersOf(cluster, nodeId);
  const held: Parameters<Receive>[] = [];
  const receive = membership.receive.bind(membership);
  const listening: Receive = (from, message) => {
    if (message.kind === kind) {
      held.push([from, message]);
    }
    if (message.kind !== kind || isHeard) {
      receive(from, message);
    }
  };
  Object.assign(membership, { receive: listening });
  return { held, say: () => held.splice(0).forEach((said) => receive(...said)) };
}

export function membersOf(cluster: TestCluster, nodeId: string): ClusterMembership {
  return (cluster.node(nodeId).strong as unknown as { members: ClusterMembership }).members;
}

/** Who does not keep the configuration, and so hears of a newer one from others only. */
export function nonKeeperOf({ configuration }: TestCluster): string {
  const keepers = configuration!.lists.at(-1)!;
  return configuration!.members.map(({ nodeId }) => nodeId).find((nodeId) => !keepers.includes(nodeId))!;
}

/**
 * A write is committed by the leader and one other node while a third is cut off, and the moment after that, before the other
 * node knows that it is, something is said. Then the leader dies, and the third is back.
 */
export async function sayWhileWriting(
  cluster: TestCluster,
  witness: StrongWitness,
  listener: string,
  say: () => void,
): Promise<readonly string[]> {
  const leader = leaderOf(cluster);
  const { raft } = groupAt(cluster, leader)!;
  const voters = raft.configuration.voters.map(nodeOf);
  const third = voters.find((nodeId) => nodeId !== leader && nodeId !== listener)!;
  const rest = cluster.nodeIds.filter((nodeId) => nodeId !== third);
  cluster.partition([third], rest);
  const index = raft.lastIndex + 1;
  let isSaid = false;
  cluster.watch(() => {
    witness.look();
    if (!isSaid && raft.commit >= index && (groupAt(cluster, listener)?.applied ?? 0) < index) {
      isSaid = true;
      say();
    }
  });
  await cluster.put(leader, 'k0', 'new', { timeoutMs: 1_000 });
  cluster.kill(leader);
  cluster.heal();
  await cluster.advance(5_000);
  if (!isSaid) {
    throw new Error('Nothing was said.');
  }
  return rulesOf(witness);
}

export function change(cluster: TestCluster, ...changes: readonly MembershipChange[]): Promise<void> {
  return changeAt(
    cluster,
    cluster.memberIds.find((id) => cluster.node(id).serves)!,
    ...changes,
  );
}

async function changeAt(
  cluster: TestCluster,
  nodeId: string,
  ...changes: readonly MembershipChange[]
): Promise<void> {
  const { membership } = cluster.node(nodeId).strong as ReplicatedStrongMode;
  await cluster.settle(membership.change(changes, 5_000));
}

/** The partition is on such nodes when it resolves. @param except who need not know it */
export async function place(
  cluster: TestCluster,
  isWanted: (goal: readonly string[]) => boolean,
  except = '',
): Promise<void> {
  if (!isWanted(cluster.nodesOf(GROUP))) {
    await change(cluster, ...placing(cluster, isWanted));
  }
  const knowing = cluster.nodeIds.filter((nodeId) => nodeId !== except);
  await until(
    cluster,
    () =>
      isSettled(cluster) &&
      isWanted(cluster.nodesOf(GROUP)) &&
      knowing.every((nodeId) => cluster.node(nodeId).view.epoch === cluster.configuration!.epoch),
  );
}

/** What {@link change} does, while the run goes on. */
export function ask(cluster: TestCluster, ...changes: readonly MembershipChange[]): void {
  const nodeId = cluster.memberIds.find((id) => cluster.node(id).serves)!;
  const { membership } = cluster.node(nodeId).strong as ReplicatedStrongMode;
  void membership.change(changes, 5_000);
}

/** Weights of the members by which the partition is to be on such nodes. */
export function placing(
  { configuration }: TestCluster,
  isWanted: (goal: readonly string[]) => boolean,
): readonly MembershipChange[] {
  const { members } = configuration!;
  for (let choice = 0; choice < WEIGHTS.length ** members.length; choice++) {
    const changes = members.map(({ nodeId }, place): MembershipChange => {
      const weight = WEIGHTS[Math.floor(choice / WEIGHTS.length ** place) % WEIGHTS.length]!;
      return { kind: 'weight', nodeId, weight };
    });
    const next = withChanges(configuration!, changes);
    if (next && isWanted(next.target[GROUP]!)) {
      return changes;
    }
  }
  throw new Error('Nothing would place it so.');
}

/** @throws Error where it does not come to that within a minute */
export async function until(cluster: TestCluster, isThere: () => boolean): Promise<void> {
  for (let ms = 0; ms < 60_000; ms++) {
    if (isThere()) {
      return;
    }
    await cluster.advance(1);
  }
  throw new Error(`It does not come to that: ${isThere.toString()}`);
}

/** Everything is where it is to be, as the newest configuration has it. */
export function isSettled({ configuration }: TestCluster): boolean {
  return (
    configuration?.moving.length === 0 &&
    configuration.target.every((list, place) => list === configuration.lists[place])
  );
}

export function groupAt(cluster: TestCluster, nodeId: string): StrongGroup | undefined {
  const node = cluster.node(nodeId);
  return node.alive ? groupsOf(node)?.get(GROUP) : undefined;
}

/** '' for nobody. */
export function leaderOf(cluster: TestCluster): string {
  const leaders = cluster.nodeIds.filter((nodeId) => groupAt(cluster, nodeId)?.leads);
  return (
    leaders.find((nodeId) => groupAt(cluster, nodeId)!.raft.leader === memberOf(cluster.node(nodeId))) ?? ''
  );
}

export function rulesOf({ findings }: StrongWitness): readonly string[] {
  return findings.map(({ rule }) => rule);
}
