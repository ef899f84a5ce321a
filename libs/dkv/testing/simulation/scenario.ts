/** One random run of a cluster: clients at work, faults of every kind, then peace and judgement. */
import { isDkvError } from '../../src/dkv.errors.js';
import { bucketOf } from '../../src/storage/eventual/disk-keys.js';
import { HashTree, TreeChanges } from '../../src/storage/eventual/hash-tree.js';
import { digestOf } from '../../src/storage/eventual/record-digest.js';
import { type NamespaceMode } from '../../src/model/consistency.js';
import { type KvRecord, type RecordHeader } from '../../src/model/record.js';
import { type BucketDigest } from '../../src/ports/local-kv-repo.js';
import { type CoreLimits } from '../../src/cluster/core-context.js';
import { type Finding } from './checkers/finding.js';
import { checkConvergence, checkTree, readReplica } from './checkers/replicas.js';
import { FaultInjector } from './fault-injector.js';
import { History } from './history.js';
import { wrongPeerView } from './peer-views.js';
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
  /** Generations that groups began because a majority had forgotten. */
  readonly recoveries?: number;
  /** Something known as committed was lost by several faults at once, so a partition waits for an operator (rule 13). */
  readonly isForOperator?: boolean;
  readonly events: number;
  /** Readable, when asked for; the end of it. */
  readonly trace: readonly string[];
}

export interface ScenarioOptions {
  readonly traceLinesMax?: number;
  /** Called when the cluster is assembled, before anything starts: where tests plant bugs. */
  readonly prepare?: (cluster: TestCluster) => void;
  /** No fault strikes after so many: what a shrunk seed needs no more. */
  readonly faultsMax?: number;
  /** Of strong clusters: whether leaders have leases. Default: in a quarter of the seeds. */
  readonly leaseReads?: boolean;
  /** Whether nodes join and leave while it runs. Default: not. */
  readonly changesMembers?: boolean;
}

export interface World {
  readonly cluster: TestCluster;
  readonly random: SimRandom;
  readonly history: History;
  readonly keys: readonly string[];
  /** The longest that an operation may take. Where tombstones are collected within the run, well below their lifetime. */
  readonly operationMsMax: number;
  /** What was found wrong while the clients were at work. */
  readonly observed: Finding[];
  running: boolean;
}

/** What one kind of run is made of. */
export interface ScenarioPlan {
  readonly name: string;
  /** May draw from `random` what differs from seed to seed. */
  options(random: SimRandom): { readonly mode: NamespaceMode; readonly limits: Partial<CoreLimits> };
  /** One operation of a client at a node that is alive; resolves when the client knows what became of it. */
  operate(world: World, client: string, nodeId: string, key: string, random: SimRandom): Promise<unknown>;
  /** What the history and the records that all nodes hold in the end are worth. */
  judge(world: World, records: ReadonlyMap<string, KvRecord>): readonly Finding[];
}

/** In the end all copies agree within this time: several rounds of anti-entropy with every peer. */
const CONVERGENCE_MS = 60_000;
/** Deletes are forgotten within the run, as they are after a day outside of it. */
const COLLECTING: Partial<CoreLimits> = { tombstoneTtlMs: 3_000, collectionIntervalMs: 700 };
const MEETING_EVERY_MS = 250;
const LOOK_EVERY_MS = 4_000;
/** Until nodes see each other as up again. */
const VIEWS_MS = 8_000;
const NAMESPACE = 'default';

/** Runs one seed. Safety is judged over the whole history, convergence and liveness after the faults have ended. */
export async function runScenario(
  plan: ScenarioPlan,
  seed: number,
  { traceLinesMax = 0, prepare, faultsMax = Infinity }: ScenarioOptions = {},
): Promise<ScenarioResult> {
  const random = new SimRandom(`${plan.name} ${seed}`);
  const size = 3 + random.int(5);
  const durability = random.chance(0.5) ? 'fsync' : 'wal';
  const collects = random.chance(0.5);
  const { mode, limits } = plan.options(random);
  const cluster = createTestCluster(size, {
    seed: `${plan.name} ${seed}`,
    replicas: 1 + random.int(2),
    partitions: 8,
    durability,
    connections: {},
    traceLinesMax,
    mode,
    limits: collects ? { ...limits, ...COLLECTING } : limits,
  });
  prepare?.(cluster);
  const history = new History(cluster.scheduler, cluster.trace);
  const keys = Array.from({ length: 1 + random.int(6) }, (_, index) => `key ${index}`);
  const operationMsMax = collects ? 1_000 : 5_000;
  const world: World = {
    cluster,
    random,
    history,
    keys,
    operationMsMax,
    observed: [],
    running: true,
  };
  const losesPower = durability === 'fsync';
  const losesDisk = mode === 'strong' && cluster.ring.copies > 2;
  const faults = new FaultInjector(cluster, random.fork('faults'), { losesPower, losesDisk, faultsMax });
  await cluster.start();
  for (let client = 0; client < 2 + random.int(5); client++) {
    void runClient(plan, world, `client ${client}`, random.fork(`client ${client}`));
  }
  faults.begin();
  await cluster.advance(4_000 + random.int(8_000));
  faults.end();
  await cluster.advance(1_000);
  world.running = false;
  await cluster.settle(faults.repairAll());
  await converge(cluster);
  const findings = await judge(plan, world);
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

/** Lets time pass until all copies look alike, or the time for it is over. */
async function converge(cluster: TestCluster): Promise<void> {
  for (let waitedMs = 0; waitedMs < CONVERGENCE_MS; waitedMs += LOOK_EVERY_MS) {
    await cluster.advance(LOOK_EVERY_MS);
    const alike = Array.from({ length: cluster.ring.partitions }, (_, partition) => partition).every(
      (partition) =>
        new Set(
          cluster.ring
            .preferenceList(partition)
            .map((nodeId) => cluster.node(nodeId).local.getTree(partition).join()),
        ).size === 1,
    );
    if (alike) {
      return;
    }
  }
}

/** One client: asks one node after the other, one operation at a time. */
async function runClient(plan: ScenarioPlan, world: World, client: string, random: SimRandom): Promise<void> {
  const { cluster, keys } = world;
  while (world.running) {
    await cluster.scheduler.sleep(20 + random.int(400));
    // Half of the time all meet at one key, at one moment: chance alone brings too few together.
    const meets = random.chance(0.5);
    if (meets) {
      await cluster.scheduler.sleep(MEETING_EVERY_MS - (cluster.scheduler.nowMs % MEETING_EVERY_MS));
    }
    const meeting = Math.floor(cluster.scheduler.nowMs / MEETING_EVERY_MS);
    const key = meets ? keys[meeting % keys.length]! : random.pick(keys);
    const node = cluster.node(random.pick(cluster.nodeIds));
    if (world.running && node.serves) {
      // A node that dies under way never answers; its client turns to the next one.
      const late = cluster.scheduler.sleep(30_000);
      await Promise.race([plan.operate(world, client, node.nodeId, key, random), late]);
    }
  }
}

async function judge(plan: ScenarioPlan, world: World): Promise<readonly Finding[]> {
  const { cluster } = world;
  const findings: Finding[] = [...world.observed];
  const agreed = new Map<string, KvRecord>();
  for (let partition = 0; partition < cluster.ring.partitions; partition++) {
    const contents = [];
    for (const nodeId of cluster.ring.preferenceList(partition)) {
      const { local } = cluster.node(nodeId);
      const content = await cluster.settle(readReplica(nodeId, local, partition));
      contents.push(content);
      findings.push(...checkTree(content, local.getTree(partition), treeOf));
    }
    findings.push(...checkConvergence(contents));
    for (const record of contents[0]!.records) {
      agreed.set(record.key, record);
    }
  }
  findings.push(...plan.judge(world, agreed), ...(await checkLiveness(world)));
  return findings;
}

/** With everything healed, every node sees the others, writes, and reads that at a quorum. */
async function checkLiveness({ cluster }: World): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  // The end of a connection that was cut may be noticed late: that is a suspicion, and must be over soon.
  for (let waitedMs = 0; waitedMs < VIEWS_MS && wrongPeerView(cluster) !== undefined; waitedMs += 100) {
    await cluster.advance(100);
  }
  const wrong = wrongPeerView(cluster);
  if (wrong !== undefined) {
    findings.push({ rule: 'liveness', key: 'cluster', message: `after the faults ${wrong}`, operations: [] });
  }
  for (const nodeId of cluster.nodeIds) {
    const key = `after ${nodeId}`;
    try {
      await cluster.put(nodeId, key, nodeId);
      const seen = await cluster.get(nodeId, key, { level: 'quorum' });
      if (seen !== nodeId) {
        const message = `after the faults a quorum read saw ${seen}`;
        findings.push({ rule: 'lost-write', key, message, operations: [] });
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

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

export { NAMESPACE as SCENARIO_NAMESPACE };

/** The tree that records give, made anew. */
export function treeOf(headers: readonly RecordHeader[]): readonly BucketDigest[] {
  const changes = new TreeChanges();
  for (const header of headers) {
    changes.toggle(0, bucketOf(header), digestOf(header));
  }
  const tree = new HashTree();
  tree.apply(changes);
  return tree.digests(0);
}
