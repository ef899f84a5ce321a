/** An eventual namespace beside the strong one of a cluster whose members change: clients at work in it, and what it is worth. */
import { type CoreLimits } from '../../src/cluster/core-context.js';
import { type KvRecord } from '../../src/model/record.js';
import { type Finding, type FindingRule } from './checkers/finding.js';
import { checkConvergence, checkTree, readReplica } from './checkers/replicas.js';
import { judgeEventual, operateEventual } from './eventual-scenario.js';
import { History, type HistoryOperation } from './history.js';
import { treeOf } from './scenario.js';
import { type DeclaredNamespace, type TestCluster } from './sim-cluster.js';
import { type SimRandom } from './sim-random.js';

const CLIENTS = 3;
const PAUSE_MS_MAX = 250;
const NAMESPACE = 'eventual';
const LOOK_EVERY_MS = 500;
/** What is left is handed over each second; nodes that missed something compare with one peer every two seconds or so. */
const CONVERGENCE_MS = 40_000;

export const EVENTUAL: DeclaredNamespace = { name: NAMESPACE, mode: 'eventual' };

/** Deletes are forgotten within the run in half of the runs. */
export function eventualLimits(random: SimRandom): Partial<CoreLimits> {
  return {
    antiEntropyIntervalMs: 2_000,
    ownWritesMax: 1 + random.int(20),
    ...(random.chance(0.5) && { tombstoneTtlMs: 3_000, collectionIntervalMs: 700 }),
  };
}

export class MembersEventual {
  private running = true;
  private readonly history: History;
  private readonly keys: readonly string[];

  constructor(
    private readonly cluster: TestCluster,
    private readonly random: SimRandom,
  ) {
    this.history = new History(cluster.scheduler, cluster.trace);
    this.keys = Array.from({ length: 1 + random.int(5) }, (_, index) => `e${index}`);
  }

  begin(): void {
    for (let client = 0; client < CLIENTS; client++) {
      void this.runClient(`e${client}`, this.random.fork(`client ${client}`));
    }
  }

  end(): void {
    this.running = false;
  }

  get acknowledged(): number {
    return this.history.operations.filter(({ outcome }) => outcome.kind === 'ok').length;
  }

  /** @param mayHaveForgotten a node has lost what it had acknowledged: what clients were told is no measure then */
  async judge(mayHaveForgotten: boolean): Promise<readonly Finding[]> {
    const { cluster } = this;
    let reason = this.unsettled();
    for (let waitedMs = 0; reason !== undefined && waitedMs < CONVERGENCE_MS; waitedMs += LOOK_EVERY_MS) {
      await cluster.advance(LOOK_EVERY_MS);
      reason = this.unsettled();
    }
    const findings: Finding[] = reason === undefined ? [] : [found('bounds', reason)];
    const agreed = new Map<string, KvRecord>();
    for (let partition = 0; partition < cluster.ring.partitions; partition++) {
      const contents = [];
      for (const nodeId of cluster.nodesOf(partition)) {
        const { local } = cluster.node(nodeId);
        const content = await cluster.settle(readReplica(nodeId, local, partition));
        contents.push(content);
        findings.push(...checkTree(content, local.getTree(partition), treeOf));
      }
      findings.push(...checkConvergence(contents));
      contents[0]!.records.forEach((record) => agreed.set(record.key, record));
    }
    // Who reads at `one` may ask a node that has not heard yet that its partition is elsewhere, where nothing is written any more.
    const operations = this.history.operations.map(asOfQuorum);
    return mayHaveForgotten ? findings : [...findings, ...judgeEventual({ operations }, agreed)];
  }

  /** What is not as it should be in the end, for people; undefined where all is. */
  private unsettled(): string | undefined {
    const { cluster } = this;
    for (const nodeId of cluster.nodeIds) {
      const { local, view, alive } = cluster.node(nodeId);
      const left = alive
        ? local.heldPartitions().find((partition) => !view.nodesOf(partition).includes(nodeId))
        : undefined;
      if (left !== undefined) {
        return `node ${nodeId} still has records of partition ${left}`;
      }
    }
    for (let partition = 0; partition < cluster.ring.partitions; partition++) {
      const trees = cluster.nodesOf(partition).map((id) => cluster.node(id).local.getTree(partition).join());
      if (new Set(trees).size > 1) {
        return `the nodes ${cluster.nodesOf(partition).join()} of partition ${partition} differ`;
      }
    }
    return undefined;
  }

  private async runClient(client: string, random: SimRandom): Promise<void> {
    const { cluster, history, keys } = this;
    const world = { cluster, history, operationMsMax: 1_000, namespace: NAMESPACE };
    while (this.running) {
      await cluster.scheduler.sleep(20 + random.int(PAUSE_MS_MAX));
      const node = cluster.node(random.pick(cluster.nodeIds));
      // Who knows of no cluster yet is not ready, and says so; nobody is to ask it.
      if (this.running && node.serves && node.view.epoch > 0) {
        // A node that dies under way never answers; its client turns to the next one.
        const late = cluster.scheduler.sleep(10_000);
        await Promise.race([operateEventual(world, client, node.nodeId, random.pick(keys), random), late]);
      }
    }
  }
}

function asOfQuorum(operation: HistoryOperation): HistoryOperation {
  const { action } = operation;
  const isOfAll = (action.kind === 'write' || action.kind === 'delete') && action.level === 'all';
  return isOfAll ? { ...operation, action: { ...action, level: 'quorum' } } : operation;
}

function found(rule: FindingRule, message: string): Finding {
  return { rule, key: 'eventual', message, operations: [] };
}
