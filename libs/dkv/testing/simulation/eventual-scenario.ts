/** Random runs of an eventual namespace: reads and writes at every level, judged by what each level promises. */
import { type ReadLevel, type WriteLevel } from '../../src/model/consistency.js';
import { checkConverged, checkEventualReads } from './checkers/eventual.js';
import { type HistoryOutcome } from './history.js';
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
  operate,
  judge({ history }, records) {
    const converged = [...records].map(
      ([key, { value, tombstone, version }]) =>
        [key, { value: tombstone ? undefined : textOf(value), version }] as const,
    );
    return [
      ...checkEventualReads(history.operations),
      ...checkConverged(history.operations, new Map(converged)),
    ];
  },
};

/** One random run of an eventual namespace. */
export function runEventualScenario(seed: number, options?: ScenarioOptions): Promise<ScenarioResult> {
  return runScenario(PLAN, seed, options);
}

function operate(
  { cluster, history, operationMsMax }: World,
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
      const record = await readRecord(processor, NAMESPACE, key, { level, timeoutMs });
      return { kind: 'ok', value: record && textOf(record.value), version: record?.version };
    });
  }
  const level: WriteLevel = random.pick(['one', 'quorum', 'quorum', 'all']);
  if (dice < 0.85) {
    const value = `${client} ${history.operations.length}`;
    return history.record({ ...start, action: { kind: 'write', value, level } }, async () => {
      const options = { level, timeoutMs, ttlMs: 0 };
      const { record } = await processor.addOrUpdate(NAMESPACE, key, bytesOf(value), options);
      return { kind: 'ok', version: record!.version };
    });
  }
  return history.record({ ...start, action: { kind: 'delete', level } }, async () => {
    const { record, existed } = await processor.remove(NAMESPACE, key, { level, timeoutMs });
    return { kind: 'ok', version: record!.version, existed };
  });
}
