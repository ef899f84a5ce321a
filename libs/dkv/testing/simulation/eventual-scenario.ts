/** Random runs of an eventual namespace: reads and writes at every level, judged by what each level promises. */
import { type ReadLevel, type WriteLevel } from '../../src/model/consistency.js';
import { type KvRecord } from '../../src/model/record.js';
import { checkConverged, checkEventualReads } from './checkers/eventual.js';
import { type Finding } from './checkers/finding.js';
import { type History, type HistoryOutcome } from './history.js';
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
  name: 'eventual',
  options: (random) => ({
    mode: 'eventual',
    limits: { antiEntropyIntervalMs: 2_000, ownWritesMax: 1 + random.int(20) },
  }),
  operate: (world, ...asked) => operateEventual({ ...world, namespace: NAMESPACE }, ...asked),
  judge({ history }, records) {
    return judgeEventual(history, records);
  },
};

/** @param records what all nodes hold in the end, by key */
export function judgeEventual(
  { operations }: Pick<History, 'operations'>,
  records: ReadonlyMap<string, KvRecord>,
): readonly Finding[] {
  const converged = [...records].map(
    ([key, { value, tombstone, version }]) =>
      [key, { value: tombstone ? undefined : textOf(value), version }] as const,
  );
  return [...checkEventualReads(operations), ...checkConverged(operations, new Map(converged))];
}

/** One random run of an eventual namespace. */
export function runEventualScenario(seed: number, options?: ScenarioOptions): Promise<ScenarioResult> {
  return runScenario(PLAN, seed, options);
}

/** What the operations of one client need. */
export interface EventualWorld extends Pick<World, 'cluster' | 'history' | 'operationMsMax'> {
  readonly namespace: string;
}

/** One operation, at a level that chance gives. */
export function operateEventual(
  { cluster, history, operationMsMax, namespace }: EventualWorld,
  client: string,
  nodeId: string,
  key: string,
  random: SimRandom,
): Promise<HistoryOutcome> {
  const { processor, incarnation } = cluster.node(nodeId);
  const start = { client, incarnation, key };
  const timeoutMs = random.pick([200, 1_000, operationMsMax]);
  const dice = random.next();
  if (dice < 0.5) {
    const level: ReadLevel = random.pick(['one', 'quorum']);
    return history.record({ ...start, action: { kind: 'read', level } }, async () => {
      const record = await readRecord(processor, namespace, key, { level, timeoutMs });
      return { kind: 'ok', value: record && textOf(record.value), version: record?.version };
    });
  }
  const level: WriteLevel = random.pick(['one', 'quorum', 'quorum', 'all']);
  if (dice < 0.85) {
    const value = `${client} ${history.operations.length}`;
    return history.record({ ...start, action: { kind: 'write', value, level } }, async () => {
      const options = { level, timeoutMs, ttlMs: 0 };
      const { record } = await processor.addOrUpdate(namespace, key, bytesOf(value), options);
      return { kind: 'ok', version: record!.version };
    });
  }
  return history.record({ ...start, action: { kind: 'delete', level } }, async () => {
    const { record, existed } = await processor.remove(namespace, key, { level, timeoutMs });
    return { kind: 'ok', version: record!.version, existed };
  });
}
