/** One random life of an eventual namespace: clients at work, faults of every kind, then peace and judgement. */
import { isDkvError } from '../../src/dkv.errors.js';
import { bucketOf } from '../../src/local-kv/disk-keys.js';
import { HashTree, TreeChanges } from '../../src/local-kv/hash-tree.js';
import { digestOf } from '../../src/local-kv/record-digest.js';
import { type ReadLevel, type WriteLevel } from '../../src/model/consistency.js';
import { type RecordHeader } from '../../src/model/record.js';
import { type BucketDigest } from '../../src/ports/local-kv-repo.js';
import { checkConverged, checkEventualReads } from './checkers/eventual.js';
import { type ConvergedRecord } from './checkers/eventual-facts.js';
import { type Finding } from './checkers/finding.js';
import { checkConvergence, checkTree, readReplica } from './checkers/replicas.js';
import { FaultInjector } from './fault-injector.js';
import { History, type HistoryOutcome } from './history.js';
import { createTestCluster, type TestCluster } from './sim-cluster.js';
import { SimRandom } from './sim-random.js';

export interface ScenarioResult {
  readonly seed: number;
  readonly findings: readonly Finding[];
  /** Of the whole trace: equal for two runs of one seed. */
  readonly digest: string;
  readonly operations: number;
  readonly acknowledged: number;
  readonly faults: number;
  readonly events: number;
  /** Readable, when asked for; the end of it. */
  readonly trace: readonly string[];
}

export interface ScenarioOptions {
  readonly traceLinesMax?: number;
  /** Called when the cluster is assembled, before anything starts: where tests plant bugs. */
  readonly prepare?: (cluster: TestCluster) => void;
}

const NAMESPACE = 'default';
/** In the end all copies agree after this long: several rounds of anti-entropy with every peer. */
const CONVERGENCE_MS = 60_000;

interface World {
  readonly cluster: TestCluster;
  readonly random: SimRandom;
  readonly history: History;
  readonly keys: readonly string[];
  running: boolean;
  values: number;
}

/** Runs one seed. Safety is judged over the whole history, convergence and liveness after the faults have ended. */
export async function runEventualScenario(
  seed: number,
  { traceLinesMax = 0, prepare }: ScenarioOptions = {},
): Promise<ScenarioResult> {
  const random = new SimRandom(`eventual ${seed}`);
  const size = 3 + random.int(3);
  const durability = random.chance(0.5) ? 'fsync' : 'wal';
  const cluster = createTestCluster(size, {
    seed: `eventual ${seed}`,
    replicas: 1 + random.int(2),
    partitions: 8,
    durability,
    connections: {},
    traceLinesMax,
    limits: { antiEntropyIntervalMs: 2_000, ownWritesMax: 1 + random.int(20) },
  });
  prepare?.(cluster);
  const history = new History(cluster.scheduler, cluster.trace);
  const keys = Array.from({ length: 2 + random.int(6) }, (_, index) => `key ${index}`);
  const world: World = { cluster, random, history, keys, running: true, values: 0 };
  const faults = new FaultInjector(cluster, random.fork('faults'), { losesPower: durability === 'fsync' });
  await cluster.start();
  for (let client = 0; client < 2 + random.int(4); client++) {
    void live(world, `client ${client}`, random.fork(`client ${client}`));
  }
  faults.begin();
  await cluster.advance(5_000 + random.int(15_000));
  faults.end();
  await cluster.advance(1_000);
  world.running = false;
  await cluster.settle(faults.repairAll());
  await cluster.advance(CONVERGENCE_MS);
  const findings = await judge(world);
  return {
    seed,
    findings,
    digest: cluster.trace.digest,
    operations: history.operations.length,
    acknowledged: history.operations.filter(({ outcome }) => outcome.kind === 'ok').length,
    faults: faults.count,
    events: cluster.scheduler.events,
    trace: cluster.trace.tail(),
  };
}

/** One client: asks one node after the other, one operation at a time. */
async function live(world: World, client: string, random: SimRandom): Promise<void> {
  const { cluster, keys } = world;
  while (world.running) {
    await cluster.scheduler.sleep(20 + random.int(400));
    const node = cluster.node(random.pick(cluster.nodeIds));
    if (world.running && node.alive) {
      // A node that dies under way never answers; its client turns to the next one.
      const late = cluster.scheduler.sleep(30_000);
      await Promise.race([operate(world, client, node.nodeId, random.pick(keys), random), late]);
    }
  }
}

function operate(
  { cluster, history }: World,
  client: string,
  nodeId: string,
  key: string,
  random: SimRandom,
): Promise<HistoryOutcome> {
  const { processor, incarnation } = cluster.node(nodeId);
  const start = { client, incarnation, key };
  const timeoutMs = random.pick([200, 1_000, 5_000]);
  const dice = random.next();
  if (dice < 0.5) {
    const level: ReadLevel = random.pick(['one', 'quorum']);
    return history.record({ ...start, action: { kind: 'read', level } }, async () => {
      const record = await processor.get(NAMESPACE, key, { level, timeoutMs });
      return { kind: 'ok', value: record && textOf(record.value), version: record?.version };
    });
  }
  const level: WriteLevel = random.pick(['one', 'quorum', 'quorum', 'all']);
  if (dice < 0.85) {
    const value = `${client} ${history.operations.length}`;
    return history.record({ ...start, action: { kind: 'write', value, level } }, async () => {
      const options = { level, timeoutMs, ttlMs: 0 };
      const record = await processor.addOrUpdate(NAMESPACE, key, new Uint8Array(Buffer.from(value)), options);
      return { kind: 'ok', version: record.version };
    });
  }
  return history.record({ ...start, action: { kind: 'delete', level } }, async () => {
    const { record, existed } = await processor.remove(NAMESPACE, key, { level, timeoutMs });
    return { kind: 'ok', version: record.version, existed };
  });
}

async function judge(world: World): Promise<readonly Finding[]> {
  const { cluster, history } = world;
  const findings: Finding[] = [...checkEventualReads(history.operations)];
  const converged = new Map<string, ConvergedRecord>();
  for (let partition = 0; partition < cluster.ring.partitions; partition++) {
    const contents = [];
    for (const nodeId of cluster.ring.preferenceList(partition)) {
      const { local } = cluster.node(nodeId);
      const content = await cluster.settle(readReplica(nodeId, local, partition));
      contents.push(content);
      findings.push(...checkTree(content, local.getTree(partition), treeOf));
    }
    findings.push(...checkConvergence(contents));
    for (const { key, value, tombstone, version } of contents[0]!.records) {
      converged.set(key, { value: tombstone ? undefined : textOf(value), version });
    }
  }
  findings.push(...checkConverged(history.operations, converged), ...(await checkLiveness(world)));
  return findings;
}

/** With everything healed, every node writes and reads at a quorum. */
async function checkLiveness({ cluster }: World): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const nodeId of cluster.nodeIds) {
    const key = `after ${nodeId}`;
    try {
      await cluster.put(nodeId, key, nodeId, { level: 'all' });
      const seen = await cluster.get(nodeId, key, { level: 'quorum' });
      if (seen !== nodeId) {
        findings.push({
          rule: 'lost-write',
          key,
          message: `after the faults a quorum read saw ${seen}`,
          operations: [],
        });
      }
    } catch (error) {
      if (!isDkvError(error)) {
        throw error;
      }
      const message = `after the faults node ${nodeId} could not write: ${error.code} ${error.message}`;
      findings.push({ rule: 'liveness', key, message, operations: [] });
    }
  }
  return findings;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** The tree that records give, made anew. */
function treeOf(headers: readonly RecordHeader[]): readonly BucketDigest[] {
  const changes = new TreeChanges();
  for (const header of headers) {
    changes.toggle(0, bucketOf(header), digestOf(header));
  }
  const tree = new HashTree();
  tree.apply(changes);
  return tree.digests(0);
}
