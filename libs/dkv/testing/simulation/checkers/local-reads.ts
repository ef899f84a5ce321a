/** Whether reads of a node's own copy in a strong namespace showed only what was committed, and what it wrote itself. */
import { type HistoryOperation } from '../history.js';
import { byKey, type Finding } from './finding.js';

/**
 * Rules: "phantom" (a value that nobody wrote, or that was not applied, or whose write had not begun), "uncommitted" (a
 * value of unknown outcome that no read of the whole order ever showed is no finding; one whose version another value
 * has is: "restamp"), "own-writes" (a node shows at least the newest version that it acknowledged before the read
 * began), "monotone-version" (a node that shows its own copy never goes back, within one run).
 */
export function checkLocalReads(operations: readonly HistoryOperation[]): readonly Finding[] {
  return [...byKey(operations)].flatMap(([key, all]) => {
    const reads = all.filter(({ action, outcome }) => action.kind === 'read' && outcome.kind === 'ok');
    // A touch gives a value another version, and a count is made by the store.
    const isStamped = !all.some(({ action }) => action.kind === 'touch' || action.kind === 'increment');
    const stamps = isStamped ? restamps(key, all) : [];
    return [...stamps, ...reads.flatMap((read) => checkRead(key, all, read))];
  });
}

function checkRead(key: string, all: readonly HistoryOperation[], read: HistoryOperation): Finding[] {
  const findings: Finding[] = [];
  const { value, version } = told(read);
  if (value !== undefined && !all.some(({ action }) => action.kind === 'increment')) {
    const writer = all.find(
      ({ action }) => (action.kind === 'write' || action.kind === 'compareAndSet') && action.value === value,
    );
    const message = phantom(writer, read);
    if (message !== undefined) {
      const operations = writer ? [writer, read] : [read];
      findings.push({ rule: 'phantom', key, message: `a read saw what it cannot: ${message}`, operations });
    }
  }
  const isOwnBefore = (write: HistoryOperation) =>
    write.incarnation === read.incarnation &&
    write.returned < read.invoked &&
    write.outcome.kind === 'ok' &&
    write.action.kind !== 'read';
  const mayVanish = all.some(
    ({ action }) => action.kind === 'delete' || ('ttlMs' in action && action.ttlMs !== 0),
  );
  const missed = all.find(
    (write) =>
      isOwnBefore(write) &&
      (value === undefined
        ? !mayVanish && told(write).version !== undefined
        : version !== undefined && (told(write).version ?? '') > version),
  );
  const removal =
    value === undefined
      ? undefined
      : all.find((write) => {
          const writer = all.find((other) => valueOf(other) === value);
          return (
            write.action.kind === 'delete' &&
            isTold(write) &&
            isOwnBefore(write) &&
            writer &&
            writer.returned < write.invoked
          );
        });
  if (removal) {
    const message = 'a read saw what the same node had removed before';
    findings.push({ rule: 'own-writes', key, message, operations: [removal, read] });
  }
  if (missed) {
    const message = `a read saw version ${version}, older than what the same node acknowledged before`;
    findings.push({ rule: 'own-writes', key, message, operations: [missed, read] });
  }
  return findings;
}

/** By the node that was asked first: a repetition elsewhere tells less. */
function isTold({ outcome }: HistoryOperation): boolean {
  return outcome.kind === 'ok' && outcome.existed !== undefined;
}

function phantom(writer: HistoryOperation | undefined, read: HistoryOperation): string | undefined {
  if (!writer) {
    return 'nobody wrote it';
  }
  if (writer.outcome.kind === 'notApplied' || writer.outcome.kind === 'mismatch') {
    return `its write was told to be ${writer.outcome.kind}`;
  }
  return writer.invoked > read.returned ? 'its write had not begun' : undefined;
}

/** One value, one version: nobody stamps again. */
function restamps(key: string, all: readonly HistoryOperation[]): Finding[] {
  const seen = new Map<string, { version: string; operation: HistoryOperation }>();
  const findings: Finding[] = [];
  for (const operation of all) {
    const { version } = told(operation);
    const value = operation.action.kind === 'read' ? told(operation).value : valueOf(operation);
    if (value === undefined || version === undefined) {
      continue;
    }
    const before = seen.get(value);
    if (before === undefined) {
      seen.set(value, { version, operation });
    } else if (before.version !== version) {
      const message = `${JSON.stringify(value)} was seen as version ${before.version} and as ${version}`;
      findings.push({ rule: 'restamp', key, message, operations: [before.operation, operation] });
    }
  }
  return findings;
}

function valueOf({ action }: HistoryOperation): string | undefined {
  return action.kind === 'write' || action.kind === 'compareAndSet' ? action.value : undefined;
}

function told({ outcome }: HistoryOperation): { value?: string | undefined; version?: string | undefined } {
  return outcome.kind === 'ok' ? outcome : {};
}
