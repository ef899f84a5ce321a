/** Directed runs of eventual partitions that move: what is read and written between two stages, and what is left behind. */
import { type EventualCopies } from '../../../libs/dkv/src/ports/eventual-copies.js';
import { createTestCluster, type TestCluster } from '../../../libs/dkv/testing/simulation/sim-cluster.js';
import { ask, GROUP, holdBack, isSettled, place, placing, until } from './members-run-parts.js';

const KEY = 'k';
const ONE = { level: 'one', timeoutMs: 1_000 } as const;
const QUORUM = { level: 'quorum', timeoutMs: 1_000 } as const;

interface Moving {
  readonly cluster: TestCluster;
  readonly list: readonly [string, string, string];
  readonly goal: readonly string[];
  /** What nodes say that they have copied reaches nobody but by this. */
  readonly tell: () => void;
}

/** One partition with three copies among six nodes, which has a record. */
async function cluster(limits: object = {}): Promise<TestCluster> {
  const made = createTestCluster(6, { partitions: 1, replicas: 2, limits });
  await made.start();
  await made.advance(2_000);
  await made.put('a', KEY, 'old', { level: 'all' });
  return made;
}

/** It moves to the three other nodes, all of which have copied it; no one who plans knows that yet. */
async function moving(): Promise<Moving> {
  const made = await cluster();
  const list = made.nodesOf(GROUP) as [string, string, string];
  const goal = made.nodeIds.filter((nodeId) => !list.includes(nodeId));
  const held = made.nodeIds.map((nodeId) => holdBack(made, nodeId, 'copied'));
  ask(made, ...list.map((nodeId) => ({ kind: 'leave', nodeId }) as const));
  await until(made, () => haveCopied(made, goal));
  // What is told and what moves besides must not be in the way of what is looked at.
  await made.advance(3_000);
  return { cluster: made, list, goal, tell: () => held.forEach(({ say }) => say()) };
}

function haveCopied(made: TestCluster, nodeIds: readonly string[]): boolean {
  return nodeIds.every((nodeId) => {
    const { processor } = made.node(nodeId) as unknown as {
      processor: { eventual: { copies: EventualCopies } };
    };
    return processor.eventual.copies.copied.some((copied) => copied.place === GROUP);
  });
}

const moveOf = (made: TestCluster, nodeId: string) =>
  made.node(nodeId).view.agreed.moving.find((move) => move.place === GROUP);

/** The nodes of the goal go on until they know that it has moved. */
async function arrive({ cluster: made, goal, tell }: Moving): Promise<void> {
  await until(made, () => {
    tell();
    return goal.every((nodeId) =>
      made
        .node(nodeId)
        .view.listOf(GROUP)
        .every((id) => goal.includes(id)),
    );
  });
}

const written = (made: TestCluster, nodeId: string, options: typeof ONE | typeof QUORUM) =>
  made.put(nodeId, KEY, 'new', options).then(
    () => true,
    () => false,
  );

/** What was acknowledged must be seen. */
async function judge({ cluster: made, goal }: Moving, isAcknowledged: boolean): Promise<readonly string[]> {
  const seen = await made.get(goal[0]!, KEY, QUORUM);
  return isAcknowledged && seen !== 'new' ? ['quorum-read'] : [];
}

/** A write that two nodes of the list acknowledge when the others have copied, and one of them reaches none of these. */
export async function writeAfterCopying(): Promise<readonly string[]> {
  const run = await moving();
  const { cluster: made, list, goal } = run;
  const [first, second, third] = list;
  made.partition([first, second], goal);
  made.network.partition([third], [first, second]);
  const isAcknowledged = await written(made, first, QUORUM);
  made.heal();
  await arrive(run);
  return judge(run, isAcknowledged);
}

/** A node that copies gets what is written meanwhile. */
export async function writeWhileCopying(): Promise<readonly string[]> {
  const { cluster: made, list, goal } = await moving();
  await made.put(list[0], KEY, 'new', QUORUM);
  await made.advance(100);
  for (const nodeId of goal) {
    const copy = await made.copyAt(nodeId, KEY);
    if (Buffer.from(copy?.value ?? []).toString() !== 'new') {
      return ['copies'];
    }
  }
  return [];
}

/** Two nodes of the list are cut off while both lists count, and one of them is asked when the others have written. */
export async function readWhileJoint(): Promise<readonly string[]> {
  const run = await moving();
  const { cluster: made, list, goal, tell } = run;
  await until(made, () => {
    if (moveOf(made, goal[0]!)?.joint === undefined) {
      tell();
    }
    return made.nodeIds.every((nodeId) => moveOf(made, nodeId)?.joint !== undefined);
  });
  await until(made, () => haveCopied(made, goal));
  const [first, second] = list;
  const rest = made.nodeIds.filter((nodeId) => nodeId !== first && nodeId !== second);
  made.partition([first, second], rest);
  await arrive(run);
  if (!(await written(made, goal[0]!, QUORUM))) {
    throw new Error('The nodes that have the partition now take no write.');
  }
  const seen = await made.get(first, KEY, QUORUM).catch(() => 'none');
  return seen === 'old' ? ['quorum-read'] : [];
}

/** A node of the list knows nothing of the move, and writes to the others when all have been compared with for the last time. */
export async function writeByOldList(): Promise<readonly string[]> {
  const made = await cluster();
  const list = made.nodesOf(GROUP);
  const goal = made.nodeIds.filter((nodeId) => !list.includes(nodeId));
  const keepers = made.configuration!.lists.at(-1)!;
  const ignorant = list.find((nodeId) => !keepers.includes(nodeId)) ?? list[0]!;
  holdBack(made, ignorant, 'configuration');
  made.partition([ignorant], goal);
  let isAcknowledged = false;
  const held = made.nodeIds.map((nodeId) => holdBack(made, nodeId, 'copied'));
  const run: Moving = {
    cluster: made,
    list: list as [string, string, string],
    goal,
    tell: () => held.forEach(({ say }) => say()),
  };
  ask(made, ...list.map((nodeId) => ({ kind: 'leave', nodeId }) as const));
  const others = made.nodeIds.filter((nodeId) => nodeId !== ignorant);
  await until(made, () => {
    if (others.some((nodeId) => moveOf(made, nodeId)?.joint === undefined)) {
      run.tell();
    }
    return others.every((nodeId) => moveOf(made, nodeId)?.joint !== undefined);
  });
  await until(made, () => haveCopied(made, goal));
  if (made.node(ignorant).view.stages.quorumListsOf(GROUP).length > 1) {
    throw new Error('It has heard of it.');
  }
  isAcknowledged = await written(made, ignorant, QUORUM);
  await arrive(run);
  return judge(run, isAcknowledged);
}

/** One node alone acknowledges a write, and nobody reaches it until the partition is on others. */
export async function leaveWithWrite(): Promise<readonly string[]> {
  const made = await cluster({ hintBytesMax: 0 });
  const list = made.nodesOf(GROUP);
  const keepers = made.configuration!.lists.at(-1)!;
  const alone = list.find((nodeId) => !keepers.includes(nodeId)) ?? list[2]!;
  const rest = made.nodeIds.filter((nodeId) => nodeId !== alone);
  made.partition([alone], rest);
  await made.put(alone, KEY, 'new', ONE);
  await made.advance(1_500);
  const asker = rest[0]!;
  ask(made, ...placing(made, (wanted) => !wanted.includes(alone)));
  await until(made, () => !made.node(asker).view.nodesOf(GROUP).includes(alone));
  made.heal();
  await until(made, () => made.node(alone).local.heldPartitions().length === 0);
  return (await made.get(asker, KEY, QUORUM)) === 'new' ? [] : ['lost-write'];
}

/** A delete is forgotten by all of the list, a node comes to it, and one that had left before comes back with what was deleted. */
export async function returnWithDeleted(): Promise<readonly string[]> {
  const made = await cluster({
    tombstoneTtlMs: 1_000,
    collectionIntervalMs: 500,
    antiEntropyIntervalMs: 2_000,
  });
  const away = made.nodesOf(GROUP)[2]!;
  made.kill(away);
  await made.advance(2_000);
  await place(made, (wanted) => !wanted.includes(away), away);
  const [first] = made.nodesOf(GROUP);
  await made.remove(first!, KEY, { level: 'all' });
  await until(made, () =>
    made.nodesOf(GROUP).every((nodeId) => made.node(nodeId).local.floorOf(GROUP) !== ''),
  );
  const before = made.nodesOf(GROUP);
  const isOther = (wanted: readonly string[]) =>
    !wanted.includes(away) && wanted.some((nodeId) => !before.includes(nodeId));
  await place(made, isOther, away);
  void made.node(away).start();
  await until(made, () => isSettled(made) && made.node(away).local.heldPartitions().length === 0);
  const entered = made.nodesOf(GROUP).find((nodeId) => !before.includes(nodeId))!;
  return (await made.get(entered, KEY, ONE)) === undefined ? [] : ['resurrection'];
}
