/** What clients do with a strong namespace: every kind of operation, each noted with what it was told. */
import { isDkvError } from '../../src/dkv.errors.js';
import { type ReadLevel } from '../../src/model/consistency.js';
import { type Version } from '../../src/model/version.js';
import { type Written } from '../../src/processor/call-options.js';
import { type FindingRule, type Finding } from './checkers/finding.js';
import { placeOf } from './checkers/lost-tail.js';
import { type History, type HistoryAction, type HistoryOutcome, outcomeOfError } from './history.js';
import { readRecord } from './read-record.js';
import { type TestCluster, type TestNode } from './sim-cluster.js';
import { type SimRandom } from './sim-random.js';
import { type StrongWitness } from './strong-witness.js';

/** What is done to a key all along: what mixes less can be judged better. */
export type KeyKind = 'register' | 'counter' | 'expiring' | 'puts';

export interface StrongKey {
  readonly key: string;
  readonly kind: KeyKind;
  readonly group: number;
}

export interface StrongWorld {
  readonly cluster: TestCluster;
  readonly history: History;
  readonly witness: StrongWitness;
  readonly keys: readonly StrongKey[];
  readonly namespace: string;
  readonly observed: Finding[];
  readonly timeouts: readonly number[];
  /** How often clients wait between two operations, at most. */
  readonly pauseMsMax: number;
  /** Whether leaders have leases. */
  readonly leaseReads: boolean;
  running: boolean;
}

/** Half of the time all meet at one key at one moment: chance alone brings too few together. */
const MEETING_EVERY_MS = 250;
const MEETS = 0.5;
const TTLS_MS = [150, 400, 1_500];

/** One client: asks one node after the other, one operation at a time. */
export async function runClient(world: StrongWorld, client: string, random: SimRandom): Promise<void> {
  const { cluster, keys } = world;
  const { scheduler } = cluster;
  while (world.running) {
    await scheduler.sleep(5 + random.int(world.pauseMsMax));
    const meets = random.chance(MEETS);
    if (meets) {
      await scheduler.sleep(MEETING_EVERY_MS - (scheduler.nowMs % MEETING_EVERY_MS));
    }
    const meeting = Math.floor(scheduler.nowMs / MEETING_EVERY_MS);
    const key = meets ? keys[meeting % keys.length]! : random.pick(keys);
    const node = cluster.node(random.pick(cluster.nodeIds));
    if (world.running && isServing(node)) {
      // A node that dies under way never answers; its client turns to the next one.
      await Promise.race([operate(world, client, node, key, random), scheduler.sleep(8_000)]);
    }
  }
}

function isServing({ alive, processor }: TestNode): boolean {
  return alive && processor !== undefined;
}

async function operate(
  world: StrongWorld,
  client: string,
  node: TestNode,
  key: StrongKey,
  random: SimRandom,
): Promise<void> {
  const isRead = random.chance(0.4);
  if (isRead) {
    const level = random.pick(['one', 'linearizable', 'linearizable', 'quorum'] as const);
    await read(world, client, node, key, level, random.pick(world.timeouts));
    return;
  }
  await write(world, client, node, key, random);
  // What was written is read at once, where it was written: the copy there must have it.
  if (random.chance(0.3) && isServing(node)) {
    await read(world, client, node, key, 'one', 1_000);
  }
}

async function read(
  { cluster, history, namespace, witness, observed }: StrongWorld,
  client: string,
  node: TestNode,
  { key, group }: StrongKey,
  level: ReadLevel,
  timeoutMs: number,
): Promise<void> {
  const { processor, incarnation } = node;
  const start = { client, incarnation, key, action: { kind: 'read', level } as const };
  await history.record(start, async () => {
    const record = await readRecord(processor, namespace, key, { level, timeoutMs });
    if (!record) {
      return { kind: 'ok' };
    }
    const { version, value, expiresAtMs } = record;
    const { generation, index } = placeOf(version);
    if (index > witness.committedIndex(group, generation)) {
      // It may have become so in this very event.
      witness.look();
    }
    if (index > witness.committedIndex(group, generation)) {
      const message = `${incarnation} showed version ${version}, which nobody had as committed`;
      observed.push(finding('uncommitted', key, `at ${cluster.scheduler.nowMs} ms ${message}`));
    }
    return { kind: 'ok', value: Buffer.from(value).toString(), version, expiresAtMs };
  });
}

/** A write, and where it names itself and its outcome stayed unknown the same once more elsewhere. */
async function write(
  world: StrongWorld,
  client: string,
  node: TestNode,
  key: StrongKey,
  random: SimRandom,
): Promise<void> {
  const { cluster, history } = world;
  const { action, send } = choose(world, client, key, random);
  const operation = history.begin({ client, incarnation: node.incarnation, key: key.key, action });
  const idempotencyKey = random.chance(0.3) ? `request ${client} ${history.operations.length}` : undefined;
  const timeoutMs = random.pick(world.timeouts);
  const first = await outcomeOf(() => send(node, timeoutMs, idempotencyKey), action);
  if (first.kind !== 'indeterminate' || idempotencyKey === undefined) {
    operation.end(first);
    return;
  }
  await cluster.scheduler.sleep(random.int(1_500));
  const other = cluster.node(random.pick(cluster.nodeIds));
  const second = isServing(other)
    ? await outcomeOf(() => send(other, timeoutMs, idempotencyKey), action)
    : first;
  // Only that it is done is certain: whatever else the second says, the first may yet take effect.
  // Told elsewhere: of what this node was told it says nothing, so the version stays untold.
  const isKnown = second.kind === 'ok' && (other === node || action.kind !== 'touch');
  operation.end(!isKnown ? { kind: 'indeterminate' } : other === node ? second : { kind: 'ok' });
}

type Send = (node: TestNode, timeoutMs: number, idempotencyKey: string | undefined) => Promise<Written>;

function choose(
  world: StrongWorld,
  client: string,
  { key, kind }: StrongKey,
  random: SimRandom,
): { readonly action: HistoryAction; readonly send: Send } {
  const { history, namespace } = world;
  const base = (timeoutMs: number, idempotencyKey: string | undefined) => ({
    level: 'quorum' as const,
    timeoutMs,
    ttlMs: 0,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  });
  const value = `${client} ${history.operations.length}`;
  const put = (ttlMs: number, expected?: string): Send => {
    const bytes = new Uint8Array(Buffer.from(value));
    return ({ processor }, timeoutMs, id) =>
      processor.addOrUpdate(namespace, key, bytes, {
        ...base(timeoutMs, id),
        ttlMs,
        ...(expected !== undefined && { expected }),
      });
  };
  const dice = random.next();
  if (kind === 'counter') {
    const send: Send = ({ processor }, timeoutMs, id) =>
      processor.increment(namespace, key, 1, base(timeoutMs, id));
    return { action: { kind: 'increment', by: 1 }, send };
  }
  if (kind === 'puts') {
    return { action: { kind: 'write', value }, send: put(0) };
  }
  if (kind === 'expiring' && dice < 0.7) {
    const ttlMs = random.chance(0.8) ? random.pick(TTLS_MS) : 0;
    return { action: { kind: 'write', value, ttlMs }, send: put(ttlMs) };
  }
  if (dice < 0.45) {
    return { action: { kind: 'write', value }, send: put(0) };
  }
  if (dice < 0.6 || (kind === 'expiring' && dice < 0.8)) {
    const send: Send = ({ processor }, timeoutMs, id) =>
      processor.remove(namespace, key, base(timeoutMs, id));
    return { action: { kind: 'delete' }, send };
  }
  if (kind === 'expiring' || dice < 0.65) {
    const ttlMs = kind === 'expiring' ? random.pick(TTLS_MS) : 0;
    const send: Send = ({ processor }, timeoutMs, id) =>
      processor.touch(namespace, key, { ...base(timeoutMs, id), ttlMs });
    return { action: { kind: 'touch', ttlMs }, send };
  }
  const expected = expectation(history, key, random);
  return { action: { kind: 'compareAndSet', expected, value }, send: put(0, expected ?? '') };
}

/** A version that was seen lately, or none: most comparisons should have a chance. */
function expectation({ operations }: History, key: string, random: SimRandom): Version | null {
  if (random.chance(0.25)) {
    return null;
  }
  for (let index = operations.length - 1; index >= Math.max(0, operations.length - 200); index--) {
    const { key: other, outcome } = operations[index]!;
    if (other === key && outcome.kind === 'ok' && outcome.version !== undefined) {
      return outcome.version;
    }
  }
  return null;
}

async function outcomeOf(send: () => Promise<Written>, action: HistoryAction): Promise<HistoryOutcome> {
  try {
    const { outcome, record, existed, repeated } = await send();
    if (outcome === 'conflict') {
      return { kind: 'mismatch' };
    }
    switch (action.kind) {
      case 'delete':
        return { kind: 'ok', existed };
      case 'increment':
        // Who repeats is told what the key has now, which later ones may have made.
        return repeated
          ? { kind: 'ok' }
          : { kind: 'ok', value: Buffer.from(record!.value).toString(), version: record!.version };
      case 'touch':
        return repeated ? { kind: 'indeterminate' } : told(record);
      case 'write':
        // Without a condition nobody looks whether there was a value.
        return repeated ? { kind: 'ok', version: record!.version } : told(record);
      default:
        return repeated ? { kind: 'ok', version: record!.version } : told(record, existed);
    }
  } catch (error) {
    if (!isDkvError(error)) {
      throw error;
    }
    return outcomeOfError(error.code, action);
  }
}

function told(record: Written['record'], existed?: boolean): HistoryOutcome {
  const about = existed === undefined ? {} : { existed };
  return record
    ? { kind: 'ok', version: record.version, expiresAtMs: record.expiresAtMs, ...about }
    : { kind: 'ok', ...about };
}

function finding(rule: FindingRule, key: string, message: string): Finding {
  return { rule, key, message, operations: [] };
}
