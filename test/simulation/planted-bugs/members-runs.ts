/** Runs of clusters whose members change that bring about what chance brings too seldom; each tells what it found broken. */
import { memberOf } from '../../../libs/dkv/testing/simulation/group-facts.js';
import { startNodes, strongCluster } from '../../../libs/dkv/testing/simulation/strong-cluster.js';
import { StrongWitness } from '../../../libs/dkv/testing/simulation/strong-witness.js';
import { BytesCodec } from '../../../libs/dkv/src/codec/bytes-codec.js';
import { JsonCodec } from '../../../libs/dkv/src/codec/json-codec.js';
import { LastWriteWinsMerger } from '../../../libs/dkv/src/merger/last-write-wins-merger.js';
import { RecordMerger } from '../../../libs/dkv/src/merger/record-merger.js';
import { nodeOf } from '../../../libs/dkv/src/model/raft-messages.js';
import { type GroupBirths } from '../../../libs/dkv/src/strong/group-births.js';
import { type PlannerServices } from '../../../libs/dkv/src/strong/membership/planner.js';
import { type StrongNode } from '../../../libs/dkv/src/strong/strong-node.js';
import { type ReplicatedStrongMode } from '../../../libs/dkv/src/strong/strong-mode.js';

import {
  placed,
  holdBack,
  membersOf,
  nonKeeperOf,
  sayWhileWriting,
  change,
  place,
  ask,
  placing,
  until,
  isSettled,
  groupAt,
  leaderOf,
  rulesOf,
  GROUP,
} from './members-run-parts.js';

/**
 * A partition moves from three nodes to others while two of the three cannot be reached from the moment on from which the new
 * ones have caught up: the two may elect one of them, so nothing may be agreed on without them.
 */
export async function moveWithoutMajority(): Promise<readonly string[]> {
  const { cluster, witness, list } = await placed(5);
  const leader = leaderOf(cluster);
  const others = list.filter((nodeId) => nodeId !== leader);
  const rest = cluster.nodeIds.filter((nodeId) => !others.includes(nodeId));
  ask(cluster, ...others.map((nodeId) => ({ kind: 'leave', nodeId }) as const));
  await until(cluster, () => {
    const { raft } = groupAt(cluster, leader)!;
    const { learners } = raft.configuration;
    return learners.length === 2 && raft.configurationIndex <= raft.commit;
  });
  cluster.partition(others, rest);
  const wrote = cluster.node(leader).processor.addOrUpdate('default', 'k0', new Uint8Array([49]), {
    level: 'quorum',
    timeoutMs: 1_000,
    ttlMs: 0,
  });
  await cluster.settle(wrote.catch(() => undefined));
  await cluster.advance(5_000);
  return rulesOf(witness);
}

/** Two nodes declare a namespace at the same time, with other codecs. */
export async function declareUnlike(): Promise<readonly string[]> {
  const { cluster, witness, list } = await placed(3);
  [new JsonCodec(), new BytesCodec()].forEach((codec, index) => {
    const merger = new RecordMerger(new LastWriteWinsMerger(), codec);
    const { namespaces } = cluster.node(list[index]!);
    namespaces.add({ name: 'carts', mode: 'strong', placement: 0, codec, merger });
  });
  await cluster.advance(3_000);
  return rulesOf(witness);
}

/**
 * A partition of three copies is to have one, at its leader, which cannot reach the two others from the moment on in which it hears
 * of that: these may elect one of them, so nothing may be agreed on without a majority of the three.
 */
export async function lessenWithoutMajority(): Promise<readonly string[]> {
  const { cluster, witness, list } = await placed(3);
  const leader = list[0]!;
  await until(cluster, () => leaderOf(cluster) === leader);
  const others = list.filter((nodeId) => nodeId !== leader);
  ask(cluster, { kind: 'replicas', placement: 0, replicas: 0 });
  await until(cluster, () => cluster.node(leader).view.sinceOf(GROUP) > 0);
  cluster.partition([leader], others);
  const wrote = cluster.node(leader).processor.addOrUpdate('default', 'k0', new Uint8Array([49]), {
    level: 'quorum',
    timeoutMs: 1_000,
    ttlMs: 0,
  });
  await cluster.settle(wrote.catch(() => undefined));
  await cluster.advance(5_000);
  return rulesOf(witness);
}

/**
 * A node of three is cut off before its partition moves from another one to a fourth. That other one gives up its copy, and is
 * then to have one again: before anybody tells it more, the node that knows nothing of all this asks it for its vote.
 */
export async function askForVoteAfterGivingUp(): Promise<readonly string[]> {
  const { cluster, witness, list } = await placed(4);
  const leader = leaderOf(cluster);
  const [stale, leaver] = list.filter((nodeId) => nodeId !== leader) as [string, string];
  const rest = cluster.nodeIds.filter((nodeId) => nodeId !== stale && nodeId !== leaver);
  ask(cluster, ...placing(cluster, (goal) => !goal.includes(leaver)));
  // It is to know of the learner, and of nothing after that.
  await until(cluster, () => groupAt(cluster, stale)!.raft.configuration.learners.length > 0);
  cluster.partition([stale], [leaver, ...rest]);
  await until(cluster, () => groupAt(cluster, leaver) === undefined);
  await cluster.advance(3_000);
  cluster.watch(() => {
    witness.look();
    if (groupAt(cluster, leaver) && !cluster.network.link(leader, leaver).cut) {
      cluster.partition([leaver], rest);
    }
  });
  ask(cluster, ...placing(cluster, (goal) => goal.includes(leaver)));
  await until(cluster, () => groupAt(cluster, leaver) !== undefined);
  for (const [from, to] of [
    [stale, leaver],
    [leaver, stale],
  ] as const) {
    cluster.network.link(from, to).heal();
  }
  await cluster.advance(5_000);
  return rulesOf(witness);
}

/**
 * What a leader said to a node that had to give up its copy comes late: the node votes again by then, and has acknowledged
 * what only the leader has beside it. Then the leader dies.
 */
export async function giveUpLate(): Promise<readonly string[]> {
  const { cluster, witness, list } = await placed(4);
  const leader = leaderOf(cluster);
  const leaver = list.find((nodeId) => nodeId !== leader)!;
  const { held, say } = holdBack(cluster, leaver, 'giveUp');
  await change(cluster, ...placing(cluster, (goal) => !goal.includes(leaver)));
  await until(cluster, () => held.length > 0);
  await change(cluster, ...placing(cluster, (goal) => goal.includes(leaver)));
  await until(cluster, () => isSettled(cluster) && groupAt(cluster, leaver)!.raft.isVoter);
  await cluster.advance(2_000);
  return sayWhileWriting(cluster, witness, leaver, say);
}

/**
 * A partition has moved, and one of its nodes that knows nothing of that leads it: by its own list it would take back the node
 * that has given, or gives, its copy up.
 */
export async function leadWithoutNews(): Promise<readonly string[]> {
  const { cluster, witness } = await placed(4);
  const ignorant = nonKeeperOf(cluster);
  await place(cluster, (goal) => goal.includes(ignorant));
  const before = cluster.nodesOf(GROUP);
  const leaver = before.find((nodeId) => nodeId !== ignorant)!;
  holdBack(cluster, ignorant, 'configuration');
  const late = holdBack(cluster, leaver, 'giveUp');
  await place(cluster, (goal) => goal.includes(ignorant) && !goal.includes(leaver), ignorant);
  await until(cluster, () => late.held.length > 0);
  const { leadership } = (cluster.node(ignorant).strong as unknown as { node: StrongNode }).node;
  leadership.stay(GROUP);
  await until(cluster, () => {
    const leader = leaderOf(cluster);
    if (leader !== '' && leader !== ignorant) {
      groupAt(cluster, leader)!.raft.transferTo(memberOf(cluster.node(ignorant)));
    }
    return leader === ignorant;
  });
  await cluster.advance(2_000);
  late.say();
  await cluster.advance(1_000);
  witness.look();
  const { voters } = groupAt(cluster, leaderOf(cluster))!.raft.configuration;
  return voters.every((voter) => groupAt(cluster, nodeOf(voter))) ? rulesOf(witness) : ['copies'];
}

/**
 * A partition moves to nodes that the cluster was born with, and that did not vote in its group then. They cannot be reached as
 * soon as they know.
 */
export async function moveToOthers(): Promise<readonly string[]> {
  const cluster = await strongCluster(4, { partitions: 1, replicas: 1 });
  const witness = new StrongWitness(cluster);
  const list = cluster.nodesOf(GROUP);
  const entering = cluster.nodeIds.filter((nodeId) => !list.includes(nodeId));
  let isCut = false;
  cluster.watch(() => {
    witness.look();
    if (!isCut && entering.every((nodeId) => groupAt(cluster, nodeId))) {
      isCut = true;
      cluster.partition(list, entering);
    }
  });
  await change(cluster, ...list.map((nodeId) => ({ kind: 'leave', nodeId }) as const));
  await cluster.advance(6_000);
  return isCut ? rulesOf(witness) : ['no chance'];
}

/** A partition moves to two other nodes while the disk of one of them stands still: nobody may give up a copy meanwhile. */
export async function moveBesideSlowDisk(): Promise<readonly string[]> {
  const { cluster, list } = await placed(5);
  const leader = leaderOf(cluster);
  const slow = cluster.nodeIds.find((nodeId) => !list.includes(nodeId))!;
  let copies = Infinity;
  cluster.watch(() => {
    if (cluster.node(slow).view.sinceOf(GROUP) > 0) {
      cluster.node(slow).folder.setFaults({ stalled: true });
    }
    const whole = cluster.nodeIds.filter((nodeId) => {
      const group = groupAt(cluster, nodeId);
      return group?.isWhole && group.raft.durableIndex > 1;
    });
    copies = Math.min(copies, whole.length);
  });
  const leaving = list.filter((nodeId) => nodeId !== leader);
  await change(cluster, ...leaving.map((nodeId) => ({ kind: 'leave', nodeId }) as const));
  await cluster.advance(10_000);
  return copies < 3 ? ['copies'] : [];
}

/** The node with the lowest id loses its disk, and starts again beside the others. */
export async function startEmpty(): Promise<readonly string[]> {
  const cluster = await strongCluster(3, { partitions: 1 });
  const idOf = (nodeId: string) =>
    (cluster.node(nodeId).strong as unknown as { births: GroupBirths }).births.birth.clusterId;
  const before = idOf('b');
  cluster.kill('a');
  cluster.node('a').loseDisk();
  startNodes(cluster, ['a']);
  await cluster.advance(8_000);
  return cluster.nodeIds.every((nodeId) => ['', before].includes(idOf(nodeId))) ? [] : ['two clusters'];
}

/** A newcomer is to be taken in; before that is agreed on, an operator changes something else. */
export async function planBesideOperator(): Promise<readonly string[]> {
  const cluster = await strongCluster(3, { partitions: 1 });
  const witness = new StrongWitness(cluster);
  let asked = 0;
  for (const nodeId of cluster.nodeIds) {
    const { planner } = membersOf(cluster, nodeId) as unknown as { planner: { services: PlannerServices } };
    const { calls } = planner.services;
    const write: typeof calls.write = async (...what) => {
      if (asked++ === 0) {
        const { membership } = cluster.node(nodeId).strong as ReplicatedStrongMode;
        await membership.change([{ kind: 'weight', nodeId, weight: 2 }], 5_000);
      }
      return calls.write(...what);
    };
    planner.services = { ...planner.services, calls: { write } };
  }
  void cluster.add('p').start();
  await until(cluster, () => asked > 0);
  await cluster.advance(2_000);
  return rulesOf(witness);
}

/** A node joins and leaves; then what it said before it was a member comes once more. */
export async function wishAgain(): Promise<readonly string[]> {
  const cluster = await strongCluster(3, { partitions: 2 });
  const said = cluster.nodeIds.map((nodeId) => ({ nodeId, ...holdBack(cluster, nodeId, 'guest', true) }));
  void cluster.add('p').start();
  await until(cluster, () => cluster.memberIds.includes('p') && isSettled(cluster));
  await change(cluster, { kind: 'leave', nodeId: 'p' });
  await until(cluster, () => !cluster.memberIds.includes('p') && isSettled(cluster));
  await cluster.advance(2_000);
  for (const { held, say } of said) {
    held.length = Math.min(held.length, 20);
    say();
  }
  await cluster.advance(3_000);
  return cluster.memberIds.includes('p') ? ['membership'] : [];
}
