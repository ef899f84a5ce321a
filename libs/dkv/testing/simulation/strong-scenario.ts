/** Random runs of a cluster in strong mode: every key must behave as if one process alone had it in its memory. */
import { isDkvError } from '../../src/dkv.errors.js';
import { majorityOf } from '../../src/model/consistency.js';
import { JsonCodec } from '../../src/codec/json-codec.js';
import { encodeAppliedState } from '../../src/strong/group-state-layout.js';
import { type StrongGroup } from '../../src/strong/strong-group.js';
import { type Finding, type FindingRule } from './checkers/finding.js';
import { failOver, judgeFailover, LOSSES } from './failover.js';
import { History } from './history.js';
import { type ScenarioOptions, type ScenarioResult } from './scenario.js';
import { chanceStorage, createTestCluster, type TestCluster } from './sim-cluster.js';
import { wrongPeerView } from './peer-views.js';
import { SimRandom } from './sim-random.js';
import { EVENTUAL, eventualLimits, MembersEventual } from './members-eventual.js';
import { MembershipActor } from './membership-actor.js';
import { StrongFaults } from './strong-faults.js';
import { judgeHistory } from './strong-history.js';
import { groupsOf, memberOf } from './group-facts.js';
import { clockRate, DELAY_MS_MAX } from './world-faults.js';
import { isBeyondRecovery, isLostWhileJoint } from './strong-recoveries.js';
import { StrongWitness } from './strong-witness.js';
import { type KeyKind, runClient, type StrongKey, type StrongWorld } from './strong-workload.js';

const NAMESPACE = 'default';
/** From the last repair to when every group has a leader: rule 9 and what an election takes. */
const LEADER_MS = 1_500;
/** The same where a majority of its voters may have forgotten: rule 13, several rounds of it. */
const RECOVERY_MS = 10_000;
/** Before there is a cluster, others are waited for so long (rule 0). */
const FOUNDING_MS = 3_000;
const CONVERGENCE_MS = 20_000;
/** Of the runs, leaders have leases in so many. */
const LEASE_RATE = 0.25;
/** Whoever started last votes when what it may have granted before is over, by a clock that is slow; and promises after it. */
const LEASES_MS = 1_500;
const LOOK_EVERY_MS = 100;
/** Two clocks that are right differ by 400 ms at most, a log's time may be ahead by as much, and an entry takes its time. */
const EXPIRY_BOUND_MS = 1_000;
const KINDS: readonly KeyKind[] = ['register', 'register', 'counter', 'expiring', 'puts'];

/** One random run of a strong namespace. */
export async function runStrongScenario(
  seed: number,
  {
    traceLinesMax = 0,
    prepare,
    faultsMax = Infinity,
    leaseReads: given,
    changesMembers = false,
  }: ScenarioOptions = {},
): Promise<ScenarioResult> {
  const random = new SimRandom(`strong ${seed}`);
  const size = random.pick([1, 2, 3, 3, 3, 3, 3, 4, 5]);
  const durability = random.pick(['fsync', 'wal'] as const);
  const wildClocks = random.chance(0.2);
  // A record from hours ahead keeps its partition where it is until the clocks are as far.
  const hasEventual = changesMembers && !wildClocks;
  // The nodes are shown as they come, and most of the first make the cluster: the others join it.
  const forms = changesMembers && random.fork('forming').chance(0.3);
  const drifts = random.chance(0.2);
  const leases = random.fork('leases');
  const leaseReads = given ?? leases.chance(LEASE_RATE);
  const cluster = createTestCluster(size, {
    seed: `strong ${seed}`,
    mode: 'strong',
    replicas: Math.min(changesMembers ? 2 : size - 1, random.pick([0, 1, 2, 2, 2, 2])),
    partitions: random.pick([2, 4, 8]),
    durability,
    connections: {},
    traceLinesMax,
    codec: new JsonCodec(),
    ...(hasEventual && { namespaces: [EVENTUAL] }),
    limits: { ...(hasEventual && eventualLimits(random.fork('eventual'))), isProvisional: forms },
    storage: { ...chanceStorage(random), pendingBytesMax: random.fork('log').pick([64 * 1_048_576, 2_000]) },
    strongLimits: {
      uncommittedBytesMax: random.pick([1_048_576, 4_096]),
      coldBytesMax: random.pick([1_048_576, 2_048]),
      entryTailBytesMax: random.pick([1_048_576, 2_000, 0]),
      snapshotPageBytes: random.fork('pages').pick([262_144, 100]),
      leaseReads,
      ...(forms && { clusterSize: majorityOf(size), hasFixedNodes: false }),
    },
    clocks: () => ({
      driftPpm: drifts ? random.int(400) - 200 : 0,
      ...(leaseReads && { monotonicRate: clockRate(leases) }),
    }),
  });
  prepare?.(cluster);
  const history = new History(cluster.scheduler, cluster.trace);
  const witness = new StrongWitness(cluster);
  const keys = Array.from({ length: 1 + random.int(10) }, (_, index): StrongKey => {
    const key = `key ${index}`;
    return { key, kind: random.pick(KINDS), group: cluster.ring.partitionOf(key) };
  });
  witness.keys = keys.map(({ key, group }) => ({ namespace: NAMESPACE, key, group }));
  const world: StrongWorld = {
    cluster,
    history,
    witness,
    keys,
    namespace: NAMESPACE,
    observed: [],
    timeouts: random.pick([
      [300, 1_000, 4_000],
      [1_000, 5_000],
      [200, 500],
    ]),
    pauseMsMax: random.pick([60, 200, 500]),
    leaseReads,
    running: true,
  };
  const forgets = cluster.ring.replicas > 0;
  const options = { durability, forgets, wildClocks, leaseReads, faultsMax, hasBlackouts: !changesMembers };
  const faults = new StrongFaults(cluster, random.fork('faults'), options, (nodeId) =>
    witness.mayForget(nodeId),
  );
  await begin(cluster, faults, random);
  const changes = changesMembers ? new MembershipActor(cluster, random.fork('members')) : undefined;
  changes?.begin();
  const eventual = hasEventual ? new MembersEventual(cluster, random.fork('eventual clients')) : undefined;
  eventual?.begin();
  for (let client = 0; client < 3 + random.int(8); client++) {
    void runClient(world, `c${client}`, random.fork(`client ${client}`));
  }
  await cluster.advance((changesMembers ? 6_000 : 3_000) + random.int(5_000));
  faults.end();
  changes?.end();
  eventual?.end();
  await cluster.advance(500);
  await cluster.settle(faults.repairAll());
  const findings = await heal(world, faults.hadBlackout ? RECOVERY_MS : LEADER_MS);
  const isForOperator = changesMembers
    ? isLostWhileJoint(cluster)
    : faults.hadBlackout && isBeyondRecovery(cluster);
  if (isForOperator) {
    findings.length = 0;
  } else if (findings.length === 0 && cluster.ring.copies > 2 && !changesMembers) {
    findings.push(...(await loseLeader(world, faults, random.fork('failover'))));
  }
  world.running = false;
  await cluster.advance(200);
  findings.push(...witness.findings, ...world.observed, ...(isForOperator ? [] : await judge(world)));
  if (eventual && findings.length === 0) {
    findings.push(...(await eventual.judge(faults.forgottenMember !== '')));
  }
  findings.push(...judgeHistory(world, wildClocks ? Infinity : EXPIRY_BOUND_MS));
  const { operations } = history;
  return {
    seed,
    findings,
    digest: cluster.trace.digest,
    operations: operations.length,
    acknowledged: operations.filter(({ outcome }) => outcome.kind === 'ok').length,
    faults: faults.count,
    recoveries: partitionsOf(cluster).reduce((sum, number) => sum + witness.recoveriesOf(number).length, 0),
    isForOperator,
    events: cluster.scheduler.events,
    trace: cluster.trace.tail(),
  };
}

/** The same while nodes join, leave, and get other weights and zones. */
export function runMembersScenario(seed: number, options: ScenarioOptions = {}): Promise<ScenarioResult> {
  return runStrongScenario(seed, { ...options, changesMembers: true });
}

/** Mostly a cluster is born in peace; now and then it is disturbed from the first moment on. */
async function begin(cluster: TestCluster, faults: StrongFaults, random: SimRandom): Promise<void> {
  if (random.chance(0.8)) {
    await cluster.start();
    faults.begin();
    return;
  }
  for (const nodeId of cluster.nodeIds) {
    void cluster.node(nodeId).start();
    await cluster.advance(random.int(200));
  }
  faults.begin();
}

/** Whatever came before, the groups of a node that is lost now, and of no other, are served again as soon as promised. */
async function loseLeader(
  world: StrongWorld,
  faults: StrongFaults,
  random: SimRandom,
): Promise<readonly Finding[]> {
  const { cluster } = world;
  await cluster.advance(DELAY_MS_MAX);
  const failover = await failOver(cluster, random.pick(cluster.nodeIds), random.pick(LOSSES));
  await cluster.settle(faults.repairAll());
  const findings = judgeFailover(failover, world.leaseReads);
  return findings.length > 0 ? findings : heal(world);
}

/** All is well from now on: leaders must be found in time, and members must come to be alike. */
async function heal({ cluster, leaseReads }: StrongWorld, usualMs = LEADER_MS): Promise<Finding[]> {
  const leaderMs = usualMs + (leaseReads ? LEASES_MS : 0) + (cluster.configuration ? 0 : FOUNDING_MS);
  const findings: Finding[] = [];
  const fromMs = cluster.scheduler.nowMs;
  let ledMs: number | undefined;
  let settledMs: number | undefined;
  while (cluster.scheduler.nowMs - fromMs < CONVERGENCE_MS) {
    await cluster.advance(LOOK_EVERY_MS);
    const now = cluster.scheduler.nowMs;
    ledMs ??= leaderless(cluster).length === 0 ? now - fromMs : undefined;
    if (unsettled(cluster) === undefined) {
      settledMs = now - fromMs;
      break;
    }
  }
  if (settledMs === undefined) {
    findings.push(
      found('liveness', 'cluster', `${CONVERGENCE_MS} ms after all was well ${unsettled(cluster)}`),
    );
  } else if (ledMs! > leaderMs + LOOK_EVERY_MS) {
    findings.push(
      found(
        'liveness',
        'cluster',
        `every group had a leader ${Math.round(ledMs!)} ms after all was well only`,
      ),
    );
  }
  return findings;
}

/** Groups that nobody serves. */
function leaderless(cluster: TestCluster): readonly number[] {
  return partitionsOf(cluster).filter(
    (number) => !cluster.nodeIds.some((nodeId) => groupsOf(cluster.node(nodeId))?.get(number)?.leads),
  );
}

/** What is not as it should be in the end, for people; undefined where all is. */
function unsettled(cluster: TestCluster): string | undefined {
  const [headless] = leaderless(cluster);
  if (headless !== undefined) {
    return `group ${headless} has no leader`;
  }
  const { configuration } = cluster;
  if (!configuration || configuration.target.some((list, place) => list !== configuration.lists[place])) {
    return 'not every partition is where it is to be';
  }
  const outside = outsider(cluster);
  if (outside !== undefined) {
    return outside;
  }
  for (const nodeId of cluster.memberIds) {
    const { strong, storage } = cluster.node(nodeId);
    const reason = strong.unreadyReason ?? storage.failure?.message;
    if (reason !== undefined) {
      return `node ${nodeId} is not ready: ${reason}`;
    }
  }
  const wrong = wrongPeerView(cluster);
  if (wrong !== undefined) {
    return wrong;
  }
  for (const number of partitionsOf(cluster)) {
    const list = cluster.nodesOf(number);
    const groups = list.flatMap((nodeId) => groupsOf(cluster.node(nodeId))!.get(number) ?? []);
    if (groups.length < list.length) {
      return `group ${number} is not on all of ${list.join()}`;
    }
    const members = list.map((nodeId) => memberOf(cluster.node(nodeId)));
    for (const { raft } of groups) {
      const { voters, outgoing, learners } = raft.configuration;
      if (
        outgoing.length + learners.length > 0 ||
        voters.length !== members.length ||
        members.some((member) => !voters.includes(member))
      ) {
        return `group ${number} has the voters ${voters.join()} (${outgoing.join()}, ${learners.join()}), not ${members.join()}`;
      }
    }
    if (groups.some((group) => !group.isWhole)) {
      return `a member of group ${number} lacks its snapshot`;
    }
  }
  return undefined;
}

/** A node that runs and is neither a member, nor has left, or does not know the newest configuration; or one with more than is its. */
function outsider(cluster: TestCluster): string | undefined {
  for (const nodeId of cluster.nodeIds) {
    const node = cluster.node(nodeId);
    const hasLeft = node.strong.unreadyReason?.includes('has left') === true;
    if (!cluster.memberIds.includes(nodeId) && !hasLeft) {
      return `node ${nodeId} is no member: ${node.strong.unreadyReason}`;
    }
    const held = groupsOf(node)!
      .values()
      .map(({ number }) => number);
    // Who has left and given everything up need not be told any more.
    if (node.view.epoch !== cluster.configuration!.epoch && (held.length > 0 || !hasLeft)) {
      return `node ${nodeId} goes by epoch ${node.view.epoch}, not ${cluster.configuration!.epoch}`;
    }
    const stray = held.find((number) => !node.view.nodesOf(number).includes(nodeId));
    if (stray !== undefined) {
      return `node ${nodeId} still has a copy of group ${stray}`;
    }
  }
  return undefined;
}

/** Members at rest are equal; every node writes and reads; nothing is kept that nobody needs. */
async function judge({ cluster }: StrongWorld): Promise<Finding[]> {
  const findings: Finding[] = [];
  await cluster.advance(6_000);
  const keys = partitionsOf(cluster).map((number) =>
    Array.from({ length: 1_000 }, (_, index) => `after ${index}`).find(
      (key) => cluster.ring.partitionOf(key) === number,
    )!,
  );
  // Every node writes into every group, and so tells each that it waits for nothing older.
  for (const nodeId of cluster.memberIds) {
    const { processor } = cluster.node(nodeId);
    const options = { level: 'quorum', timeoutMs: 5_000, ttlMs: 0 } as const;
    const written = keys.map((key) => processor.addOrUpdate(NAMESPACE, key, new Uint8Array([49]), options));
    await cluster.settle(Promise.allSettled(written));
  }
  for (const nodeId of cluster.memberIds) {
    const key = `after ${nodeId}`;
    try {
      await cluster.put(nodeId, key, `"${nodeId}"`);
      const seen = await cluster.get(nodeId, key, { level: 'linearizable' });
      if (seen !== `"${nodeId}"`) {
        findings.push(found('lost-write', key, `after the faults a linearizable read saw ${seen}`));
      }
    } catch (error) {
      if (!isDkvError(error)) {
        throw error;
      }
      findings.push(
        found('liveness', key, `after the faults ${nodeId} could not: ${error.code} ${error.message}`),
      );
    }
  }
  await cluster.advance(1_000);
  for (const number of partitionsOf(cluster)) {
    findings.push(...(await compareMembers(cluster, number)));
  }
  return findings;
}

async function compareMembers(cluster: TestCluster, number: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  const contents = new Map<string, string[]>();
  for (const nodeId of cluster.nodesOf(number)) {
    const { storage } = cluster.node(nodeId);
    const group = groupsOf(cluster.node(nodeId))!.get(number);
    if (!group) {
      findings.push(found('divergence', `group ${number}`, `${nodeId} has no copy`));
      continue;
    }
    const { records } = await cluster.settle(storage.strong.scan(number, undefined, Infinity));
    const lines = records.map(
      ({ namespace, key, record }) =>
        `${namespace} ${key} ${record.generation} ${record.index} ${record.expiresAtMs} ${Buffer.from(record.value).toString('hex')}`,
    );
    const state = Buffer.from(encodeAppliedState({ ...group.appliedState(), wholeFrom: 0 })).toString('hex');
    const content = `${group.applied}\n${state}\n${lines.join('\n')}`;
    contents.set(content, [...(contents.get(content) ?? []), nodeId]);
    const size = rememberedOf(group, cluster.memberIds);
    if (size > cluster.nodeIds.length) {
      findings.push(
        found('bounds', `group ${number}`, `${nodeId} remembers ${size} requests though none is under way`),
      );
    }
    if (group.writes.underWay > 0) {
      findings.push(
        found('bounds', `group ${number}`, `${nodeId} has ${group.writes.underWay} proposals under way`),
      );
    }
  }
  if (contents.size > 1) {
    const all = [...contents].map(([content, nodeIds]) => `${nodeIds.join()}:\n${content.slice(0, 600)}`);
    findings.push(found('divergence', `group ${number}`, `members differ at rest:\n${all.join('\n')}`));
  }
  return findings;
}

/** Requests of members: of nodes that have gone, what was under way last is never answered. */
function rememberedOf({ requests }: StrongGroup, memberIds: readonly string[]): number {
  const { sessions } = requests as unknown as {
    sessions: readonly { readonly nodeId: string; readonly outcomes: { readonly size: number } }[];
  };
  const ofMembers = sessions.filter(({ nodeId }) => memberIds.includes(nodeId));
  return ofMembers.reduce((sum, { outcomes }) => sum + outcomes.size, 0);
}

function partitionsOf({ ring }: TestCluster): readonly number[] {
  return Array.from({ length: ring.partitions }, (_, number) => number);
}

function found(rule: FindingRule, key: string, message: string): Finding {
  return { rule, key, message, operations: [] };
}
