/** What a run found, as a table for people. */
import { describeOperation } from '../../libs/dkv/testing/simulation/history.js';
import { type ChaosResult } from './chaos-run.js';
import { type ChaosFinding } from './workload.js';

/** Operations that a finding prints. */
const OPERATIONS_MAX = 12;

export function describeResult(result: ChaosResult): string {
  const { mode, counts, faults, findings } = result;
  const done = Object.entries(faults)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
  const rows: [string, string | number][] = [
    ['mode, seed, links', `${mode}, ${result.seed}, ${result.links}`],
    ['operations', counts.operations],
    ['  acknowledged', counts.acknowledged],
    ['  indeterminate', counts.indeterminate],
    ['  not applied', counts.notApplied],
    ['  refused by comparison', counts.mismatched],
    ['  reads without an answer', counts.unread],
    ['requests repeated', result.repeated],
    ['faults', done],
    ['faults not run', result.notRun.length === 0 ? 'none' : result.notRun.join('; ')],
    ['rounds, seconds', `${result.rounds}, ${result.seconds.toFixed(1)}`],
    ['operations a second', Math.round(counts.operations / result.seconds)],
    ['last reads, seconds', (result.lastReadsMs / 1000).toFixed(1)],
    ['  of that checkers', (result.checkersMs / 1000).toFixed(1)],
    ['findings', findings.length],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

export function describeChaosFindings(findings: readonly ChaosFinding[]): string {
  return findings
    .map(({ rule, key, message, operations }) => {
      const shown = operations
        .slice(0, OPERATIONS_MAX)
        .map((operation) => `    ${describeOperation(operation)}`);
      const rest = operations.length - shown.length;
      const more = rest > 0 ? [`    and ${rest} more`] : [];
      return [`${rule}, key ${JSON.stringify(key)}: ${message}`, ...shown, ...more].join('\n');
    })
    .join('\n');
}
