/** What a history of a strong namespace must keep beside linearizability: versions, counts, lifetimes. */
import { SIM_EPOCH_MS } from '../sim-clock.js';
import { type HistoryOperation } from '../history.js';
import { byKey, type Finding, type FindingRule } from './finding.js';

/**
 * Versions are positions in the log of a group, so they tell the order of writes: of two acknowledged writes of a group of
 * which one ended before the other began, that one has the lower version (rule 20), and two writes never share one.
 */
export function checkVersionOrder(
  operations: readonly HistoryOperation[],
  groupOf: (key: string) => number,
): readonly Finding[] {
  const findings: Finding[] = [];
  const groups = new Map<number, HistoryOperation[]>();
  for (const operation of operations) {
    if (operation.action.kind !== 'read' && versionOf(operation) !== undefined) {
      const group = groupOf(operation.key);
      groups.set(group, [...(groups.get(group) ?? []), operation]);
    }
  }
  for (const writes of groups.values()) {
    const byVersion = [...writes].sort((a, b) => (versionOf(a)! < versionOf(b)! ? -1 : 1));
    // Going down in versions, none may have begun after the earliest end of those above it.
    let earliest: HistoryOperation | undefined;
    for (const write of byVersion.reverse()) {
      if (earliest && write.invoked > earliest.returned) {
        findings.push(
          found('monotone-version', write.key, 'a later write has a lower version', [earliest, write]),
        );
        break;
      }
      earliest = !earliest || write.returned < earliest.returned ? write : earliest;
    }
    for (const [index, write] of byVersion.entries()) {
      const next = byVersion[index + 1];
      if (next && versionOf(next) === versionOf(write)) {
        findings.push(found('restamp', write.key, 'two writes have one version', [write, next]));
      }
    }
  }
  return findings;
}

/** Each acknowledged increment counts once, each of unknown outcome at most once. All of them add 1. */
export function checkCounts(operations: readonly HistoryOperation[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [key, all] of byKey(operations)) {
    const increments = all.filter(({ action }) => action.kind === 'increment');
    if (increments.length === 0) {
      continue;
    }
    const acknowledged = increments.filter(({ outcome }) => outcome.kind === 'ok');
    const open = increments.filter(({ outcome }) => outcome.kind === 'indeterminate').length;
    const values = new Map<string, HistoryOperation>();
    for (const increment of acknowledged) {
      const value = valueOf(increment);
      const other = value === undefined ? undefined : values.get(value);
      if (other) {
        findings.push(found('count', key, `two increments made ${value}`, [other, increment]));
      } else if (value !== undefined) {
        values.set(value, increment);
      }
    }
    const seen = all.filter(({ action, outcome }) => action.kind === 'read' && outcome.kind === 'ok');
    for (const read of seen) {
      const count = Number(valueOf(read) ?? '0');
      const before = acknowledged.filter(({ returned }) => returned < read.invoked).length;
      const begun = increments.filter(
        ({ invoked, outcome }) =>
          invoked < read.returned && (outcome.kind === 'ok' || outcome.kind === 'indeterminate'),
      ).length;
      const isLinear = read.action.kind === 'read' && read.action.level !== 'one';
      if (count > begun || (isLinear && count < before)) {
        const message = `a read saw ${count} after ${before} acknowledged of ${begun} begun, ${open} of them unknown`;
        findings.push(found('count', key, message, [read]));
        break;
      }
    }
  }
  return findings;
}

/**
 * No read shows a value that had expired more than `boundMs` before it was asked, and none misses one that expires more
 * than `boundMs` after its answer, unless something else took it away.
 */
export function checkExpiry(operations: readonly HistoryOperation[], boundMs: number): readonly Finding[] {
  const findings: Finding[] = [];
  for (const read of operations) {
    const expiresAtMs = read.outcome.kind === 'ok' ? (read.outcome.expiresAtMs ?? 0) : 0;
    if (
      read.action.kind === 'read' &&
      expiresAtMs > 0 &&
      read.invokedAtMs + SIM_EPOCH_MS > expiresAtMs + boundMs
    ) {
      const lateMs = Math.round(read.invokedAtMs + SIM_EPOCH_MS - expiresAtMs);
      findings.push(found('expiry', read.key, `a read showed a value ${lateMs} ms after its expiry`, [read]));
    }
  }
  return [...findings, ...earlyExpiries(operations, boundMs)];
}

function earlyExpiries(operations: readonly HistoryOperation[], boundMs: number): Finding[] {
  const findings: Finding[] = [];
  for (const [key, all] of byKey(operations)) {
    const reads = all.filter(
      (read) =>
        read.action.kind === 'read' &&
        read.action.level !== 'one' &&
        read.outcome.kind === 'ok' &&
        read.outcome.value === undefined,
    );
    for (const read of reads) {
      // The last write that was over before the read began, where nothing else was under way until the read had ended.
      const before = all.filter(({ action, invoked }) => action.kind !== 'read' && invoked < read.returned);
      const last = before.reduce<HistoryOperation | undefined>(
        (latest, write) => (!latest || write.returned > latest.returned ? write : latest),
        undefined,
      );
      if (
        !last ||
        last.outcome.kind !== 'ok' ||
        last.returned > read.invoked ||
        last.action.kind === 'delete'
      ) {
        continue;
      }
      const isAlone = before.every((write) => write === last || write.returned < last.invoked);
      const { expiresAtMs } = last.outcome;
      const isThere = expiresAtMs === 0 || (expiresAtMs ?? 0) > read.returnedAtMs + SIM_EPOCH_MS + boundMs;
      if (isAlone && expiresAtMs !== undefined && last.outcome.version !== undefined && isThere) {
        findings.push(found('expiry', key, 'a read missed a value that had not expired', [last, read]));
      }
    }
  }
  return findings;
}

function versionOf({ outcome }: HistoryOperation): string | undefined {
  return outcome.kind === 'ok' ? outcome.version : undefined;
}

function valueOf({ outcome }: HistoryOperation): string | undefined {
  return outcome.kind === 'ok' ? outcome.value : undefined;
}

function found(
  rule: FindingRule,
  key: string,
  message: string,
  operations: readonly HistoryOperation[],
): Finding {
  return { rule, key, message, operations };
}
