/** Whether all nodes agree once everything is healed, and on what. */
import { setTimeout as pause } from 'node:timers/promises';
import { type ConvergedRecord } from '../../libs/dkv/testing/simulation/checkers/eventual-facts.js';
import { type HistoryOutcome } from '../../libs/dkv/testing/simulation/history.js';
import { fewAtOnce } from '../e2e/few-at-once.js';
import { type ClientDesk, type Target } from './client-desk.js';
import { type AskedLevel, read } from './item-requests.js';
import { type ChaosFinding } from './workload.js';

const POLL_MS = 500;

export interface Convergence {
  /** What the nodes agreed on; a key that is missing here and not in `diverged` has no record. */
  readonly converged: ReadonlyMap<string, ConvergedRecord>;
  readonly diverged: ReadonlySet<string>;
  readonly findings: readonly ChaosFinding[];
}

/**
 * Reads every key at every node: first from each node's own copy until all agree, then at a quorum, which would repair
 * what it finds and so hide it from the first look.
 */
export async function readConverged(
  desk: ClientDesk,
  targets: readonly Target[],
  keys: readonly string[],
  withinMs: number,
): Promise<Convergence> {
  const findings = await readUntilEqual(desk, targets, keys, 'one', withinMs, () => undefined);
  const converged = new Map<string, ConvergedRecord>();
  const later = await readUntilEqual(desk, targets, keys, 'quorum', withinMs, (key, { value, version }) => {
    if (value !== undefined && version !== undefined) {
      converged.set(key, { value, version });
    }
  });
  return { converged, diverged: new Set(later.map(({ key }) => key)), findings: [...findings, ...later] };
}

/** Asks again for keys that differ, or that a node did not answer for, until the time is over. */
async function readUntilEqual(
  desk: ClientDesk,
  targets: readonly Target[],
  keys: readonly string[],
  level: AskedLevel,
  withinMs: number,
  agreed: (key: string, outcome: HistoryOutcome & { kind: 'ok' }) => void,
): Promise<ChaosFinding[]> {
  const endsMs = performance.now() + withinMs;
  let open = keys;
  for (;;) {
    const looks = await fewAtOnce(open, async (key) => ({
      key,
      seen: await look(desk, targets, key, level),
    }));
    const differing = looks.filter(({ key, seen }) => {
      const [first] = seen;
      if (first?.kind === 'ok' && allEqual(seen)) {
        agreed(key, first);
        return false;
      }
      return true;
    });
    if (differing.length === 0 || performance.now() >= endsMs) {
      return differing.map(({ key, seen }) => divergence(key, level, seen));
    }
    open = differing.map(({ key }) => key);
    await pause(POLL_MS);
  }
}

function look(
  desk: ClientDesk,
  targets: readonly Target[],
  key: string,
  level: AskedLevel,
): Promise<HistoryOutcome[]> {
  return Promise.all(
    targets.map(async (target, index) => {
      const demand = read({ client: `last reader ${index}`, key }, level);
      return (await desk.perform(target, demand)).outcome;
    }),
  );
}

function allEqual(seen: readonly HistoryOutcome[]): boolean {
  return seen.every(({ kind }) => kind === 'ok') && new Set(seen.map(textOf)).size === 1;
}

function textOf(outcome: HistoryOutcome): string {
  return outcome.kind === 'ok'
    ? `${outcome.version ?? 'nothing'} ${outcome.value ?? ''}`
    : JSON.stringify(outcome);
}

function divergence(key: string, level: AskedLevel, seen: readonly HistoryOutcome[]): ChaosFinding {
  const sides = seen.map((outcome, index) => `node${index + 1}: ${textOf(outcome)}`).join('; ');
  const message = `healed and settled, reads at ${level} still differ: ${sides}`;
  return { rule: 'divergence', key, message, operations: [] };
}
