/** Random lives of a strong namespace: every key must behave as if one process alone had it in its memory. */
import { isDkvError } from '../../src/dkv.errors.js';
import { type ReadLevel } from '../../src/model/consistency.js';
import { type KvRecord } from '../../src/model/record.js';
import { type WriteResult } from '../../src/model/peer-protocol.js';
import { type Version } from '../../src/model/version.js';
import { type RemoveOptions } from '../../src/processor/processor.js';
import { RequestIds } from '../../src/eventual/request-ids.js';
import { checkLinearizability } from './checkers/linearizability.js';
import { checkLocalReads } from './checkers/local-reads.js';
import { type HistoryAction, type HistoryOperation, type HistoryOutcome, outcomeOfError } from './history.js';
import {
  bytesOf,
  runScenario,
  SCENARIO_NAMESPACE as NAMESPACE,
  type ScenarioOptions,
  type ScenarioPlan,
  type ScenarioResult,
  textOf,
  type World,
} from './scenario.js';
import { readRecord } from './read-record.js';
import { type SimRandom } from './sim-random.js';

const PLAN: ScenarioPlan = {
  name: 'strong',
  options: (random) => ({
    mode: 'strong',
    limits: { antiEntropyIntervalMs: 2_000, ownWritesMax: 1 + random.int(20) },
  }),
  operate,
  judge({ history }, records) {
    const all = [...history.operations, ...finalReads(history.operations, records)];
    const linear = seenIsCommitted(all).filter(
      ({ action }) => action.kind !== 'read' || action.level !== 'one',
    );
    return [...checkLinearizability(linear), ...checkLocalReads(all)];
  },
};

/** One random life of a strong namespace. */
export function runStrongScenario(seed: number, options?: ScenarioOptions): Promise<ScenarioResult> {
  return runScenario(PLAN, seed, options);
}

async function operate(
  world: World,
  client: string,
  nodeId: string,
  key: string,
  random: SimRandom,
): Promise<void> {
  await operateOnce(world, client, nodeId, key, random);
  // What was written is read at once, where it was written: the copy there must have it.
  if (random.chance(0.2) && world.cluster.node(nodeId).alive) {
    await read(world, client, nodeId, key, 'one', 1_000);
  }
}

function read(
  { cluster, history, decided, observed }: World,
  client: string,
  nodeId: string,
  key: string,
  level: ReadLevel,
  timeoutMs: number,
): Promise<HistoryOutcome> {
  const { processor, incarnation } = cluster.node(nodeId);
  return history.record({ client, incarnation, key, action: { kind: 'read', level } }, async () => {
    const record = await readRecord(processor, NAMESPACE, key, { level, timeoutMs });
    if (record && !decided.has(record, record.version)) {
      const message = `${incarnation} showed version ${record.version}, which no majority had accepted`;
      observed.push({ rule: 'uncommitted', key, message, operations: [] });
    }
    return { kind: 'ok', value: record && textOf(record.value), version: record?.version };
  });
}

async function operateOnce(
  world: World,
  client: string,
  nodeId: string,
  key: string,
  random: SimRandom,
): Promise<unknown> {
  const { cluster, history } = world;
  const { incarnation } = cluster.node(nodeId);
  const start = { client, incarnation, key };
  const timeoutMs = random.pick([200, 1_000, world.operationMsMax]);
  const dice = random.next();
  if (dice < 0.45) {
    const level = random.pick(['one', 'linearizable', 'linearizable'] as const);
    return read(world, client, nodeId, key, level, timeoutMs);
  }
  const value = `${client} ${history.operations.length}`;
  // A request may be repeated as long as what it did is remembered.
  const requestId = world.operationMsMax > 1_000 && random.chance(0.3) ? RequestIds.ofKey(value) : undefined;
  const base: RemoveOptions = { level: 'quorum', timeoutMs, ...(requestId && { requestId }) };
  if (dice < 0.75) {
    const action: HistoryAction = { kind: 'write', value };
    return attempt(world, { ...start, action }, random, requestId !== undefined, (at) =>
      cluster.node(at).processor.addOrUpdate(NAMESPACE, key, bytesOf(value), { ...base, ttlMs: 0 }),
    );
  }
  if (dice < 0.85) {
    const action: HistoryAction = { kind: 'delete' };
    return attempt(world, { ...start, action }, random, requestId !== undefined, (at) =>
      cluster.node(at).processor.remove(NAMESPACE, key, base),
    );
  }
  const expected = expectation(history.operations, key, random);
  const action: HistoryAction = { kind: 'compareAndSet', expected, value };
  return attempt(world, { ...start, action }, random, requestId !== undefined, (at) =>
    cluster.node(at).processor.addOrUpdate(NAMESPACE, key, bytesOf(value), {
      ...base,
      ttlMs: 0,
      expected: expected ?? '',
    }),
  );
}

/** A write, and where it names its request and its outcome stayed unknown the same request once more elsewhere. */
async function attempt(
  { cluster, history }: World,
  start: Parameters<World['history']['begin']>[0],
  random: SimRandom,
  named: boolean,
  write: (nodeId: string) => Promise<WriteResult>,
): Promise<void> {
  const operation = history.begin(start);
  const first = await outcomeOf(() => write(start.incarnation.split('#')[0]!), start.action);
  const elsewhere = random.pick(cluster.nodeIds);
  if (first.kind !== 'indeterminate' || !named || !cluster.node(elsewhere).alive) {
    operation.end(first);
    return;
  }
  await cluster.scheduler.sleep(random.int(2_000));
  const second = cluster.node(elsewhere).alive
    ? await outcomeOf(() => write(elsewhere), start.action)
    : first;
  // Only that it is done is certain: whatever else the second says, the first may yet take effect. Which node told is
  // not what was noted, so the version stays untold.
  operation.end(second.kind === 'ok' ? { kind: 'ok' } : { kind: 'indeterminate' });
}

async function outcomeOf(write: () => Promise<WriteResult>, action: HistoryAction): Promise<HistoryOutcome> {
  try {
    const { outcome, record, existed, applied } = await write();
    if (outcome === 'conflict') {
      return { kind: 'mismatch' };
    }
    if (action.kind === 'delete') {
      // A repeated request is not told what was there before its first attempt.
      return applied === undefined ? { kind: 'ok', existed } : { kind: 'ok' };
    }
    return { kind: 'ok', version: applied ?? record?.version };
  } catch (error) {
    if (!isDkvError(error)) {
      throw error;
    }
    return outcomeOfError(error.code, action);
  }
}

/** A version that was seen lately, or none: most comparisons should have a chance. */
function expectation(
  operations: readonly HistoryOperation[],
  key: string,
  random: SimRandom,
): Version | null {
  if (random.chance(0.25)) {
    return null;
  }
  for (let index = operations.length - 1; index >= 0; index--) {
    const { key: other, outcome } = operations[index]!;
    if (other === key && outcome.kind === 'ok' && outcome.version !== undefined) {
      return outcome.version;
    }
  }
  return null;
}

/**
 * A node shows only what is committed: a write of unknown outcome that a read of any copy has shown had taken effect by
 * the time that this read returned.
 */
function seenIsCommitted(operations: readonly HistoryOperation[]): readonly HistoryOperation[] {
  const seen = new Map<string, number>();
  for (const { key, action, outcome, returned } of operations) {
    if (action.kind === 'read' && outcome.kind === 'ok' && outcome.value !== undefined) {
      const id = `${key} ${outcome.value}`;
      seen.set(id, Math.min(seen.get(id) ?? Infinity, returned));
    }
  }
  return operations.map((operation) => {
    const { key, action, outcome } = operation;
    const returned = 'value' in action ? seen.get(`${key} ${action.value}`) : undefined;
    return outcome.kind === 'indeterminate' && returned !== undefined
      ? { ...operation, returned, outcome: { kind: 'ok' } }
      : operation;
  });
}

/** What all nodes hold in the end is what a last read of every key would have seen. */
function finalReads(
  operations: readonly HistoryOperation[],
  records: ReadonlyMap<string, KvRecord>,
): readonly HistoryOperation[] {
  const last = operations.reduce(
    (latest, { invoked, returned }) => Math.max(latest, invoked, returned === Infinity ? 0 : returned),
    0,
  );
  return [...new Set(operations.map(({ key }) => key))].map((key, index) => {
    const record = records.get(key);
    const value = record && !record.tombstone ? textOf(record.value) : undefined;
    return {
      client: 'judge',
      incarnation: 'judge',
      key,
      action: { kind: 'read', level: 'linearizable' },
      invoked: last + 1 + 2 * index,
      returned: last + 2 + 2 * index,
      invokedAtMs: 0,
      returnedAtMs: 0,
      outcome: { kind: 'ok', value, version: value === undefined ? undefined : record?.version },
    } satisfies HistoryOperation;
  });
}
