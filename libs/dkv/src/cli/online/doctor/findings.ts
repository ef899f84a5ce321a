/** What is wrong or soon will be, judged from what the nodes say of themselves: pure, a sentence and a remedy for each. */
import {
  type ClusterReport,
  type NodeDiagnosis,
  type PartitionReport,
} from '../../../model/cluster-report.js';
import { counted, durationOf, isoOf, listed, percentOf, sentence, sizeOf } from '../../text/figures.js';
import { type Diagnosed } from '../diagnoses.js';
import { addressOf, headlineOf } from '../status-command.js';
import { unreachedNodes } from './reachability.js';

export interface Examined {
  readonly report: ClusterReport;
  readonly partitions: readonly PartitionReport[];
  readonly diagnosed: readonly Diagnosed[];
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

export interface Finding {
  readonly kind:
    'silent' | 'health' | 'service' | 'disk' | 'clock' | 'version' | 'certificate' | 'network' | 'quorum';
  /** Whom it is about; empty for the cluster. */
  readonly nodes: readonly string[];
  /** What is wrong, and what to do: one line. */
  readonly text: string;
}

/** Of its disk, that should be free. */
const FREE_LEAST = 0.1;
/** As far as nodes let each other's clocks differ (`maxClockOffsetMs`). */
const CLOCKS_APART_MS_MAX = 500;
const CERTIFICATE_MS_LEAST = 30 * 24 * 3_600_000;
/** One clock that is wrong differs from all others. */
const CLOCK_PAIRS_TOLD_MAX = 5;

export function findingsOf(examined: Examined): readonly Finding[] {
  const { report, diagnosed } = examined;
  const own = diagnosed.flatMap(({ diagnosis }) => (diagnosis ? [diagnosis] : []));
  return [
    ...diagnosed.flatMap(silence),
    ...health(report),
    ...own.flatMap(disk),
    ...clocks(own),
    ...versions(own),
    ...own.flatMap((diagnosis) => certificate(diagnosis, examined.nowMs)),
    ...network(diagnosed),
    ...quorums(examined.partitions),
  ];
}

function silence({ member, error }: Diagnosed): readonly Finding[] {
  if (error === undefined) {
    return [];
  }
  const text =
    `Node ${member.nodeId} at ${addressOf(member)} could not be asked: ${sentence(error)} See whether it runs, has the same ` +
    'adminKey, and can be reached from here.';
  return [{ kind: 'silent', nodes: [member.nodeId], text }];
}

function health(report: ClusterReport): readonly Finding[] {
  const { answeredBy, members } = report;
  const findings: Finding[] = [];
  if (report.health !== 'ok') {
    const text = `${headlineOf(report)}, as node ${answeredBy} sees it. dkv status shows each node.`;
    findings.push({ kind: 'health', nodes: [answeredBy], text });
  }
  for (const { nodeId } of members.filter(({ ready }) => ready === false)) {
    const text = `Node ${nodeId} is not in service. Its readiness probe and its log say why.`;
    findings.push({ kind: 'service', nodes: [nodeId], text });
  }
  return findings;
}

function disk({ nodeId, storage }: NodeDiagnosis): readonly Finding[] {
  const { folder, freeBytes, totalBytes, failure, isDiskFull } = storage;
  const found = (text: string): Finding => ({ kind: 'disk', nodes: [nodeId], text });
  const findings: Finding[] = [];
  if (failure !== '') {
    findings.push(
      found(
        `The store of node ${nodeId} takes nothing: ${sentence(failure)} Mend the cause, then start the node again.`,
      ),
    );
  }
  if (isDiskFull) {
    findings.push(
      found(
        `The disk of node ${nodeId} is full (${folder}). Make room: the node goes on by itself once there is some.`,
      ),
    );
  } else if (freeBytes !== undefined && totalBytes !== undefined && freeBytes < FREE_LEAST * totalBytes) {
    findings.push(
      found(
        `Of the disk of node ${nodeId}, ${percentOf(freeBytes, totalBytes)} is free (${sizeOf(freeBytes)} of ` +
          `${sizeOf(totalBytes)}, ${folder}). Make room or enlarge it before it is full.`,
      ),
    );
  }
  return findings;
}

function clocks(own: readonly NodeDiagnosis[]): readonly Finding[] {
  const apart = new Map<string, { readonly ahead: string; readonly behind: string; readonly ms: number }>();
  for (const { nodeId, peers } of own) {
    for (const { nodeId: peer, clockOffsetMs = 0 } of peers) {
      const [ahead, behind] = clockOffsetMs > 0 ? [peer, nodeId] : [nodeId, peer];
      const ms = Math.round(Math.abs(clockOffsetMs));
      const pair = [nodeId, peer].sort().join(' ');
      if (ms > Math.max(CLOCKS_APART_MS_MAX, apart.get(pair)?.ms ?? 0)) {
        apart.set(pair, { ahead, behind, ms });
      }
    }
  }
  const pairs = [...apart.values()].sort((one, other) => other.ms - one.ms);
  const findings = pairs.slice(0, CLOCK_PAIRS_TOLD_MAX).map(({ ahead, behind, ms }): Finding => {
    const text = `The clock of node ${ahead} is ${durationOf(ms)} ahead of that of node ${behind}. Synchronise both, as by NTP.`;
    return { kind: 'clock', nodes: [ahead, behind], text };
  });
  if (pairs.length > findings.length) {
    const rest = counted(pairs.length - findings.length, 'more pair');
    const text = `The clocks of ${rest} of nodes differ by more than ${CLOCKS_APART_MS_MAX} ms. Synchronise all of them.`;
    findings.push({ kind: 'clock', nodes: [], text });
  }
  return findings;
}

function versions(own: readonly NodeDiagnosis[]): readonly Finding[] {
  const known = [...new Set(own.map(({ version }) => version))];
  if (known.length < 2) {
    return [];
  }
  const told = known.map((version) => {
    const nodes = own.filter((diagnosis) => diagnosis.version === version).map(({ nodeId }) => nodeId);
    return `${version} on ${listed(nodes)}`;
  });
  const text = `Versions of nestjs-dkv differ: ${told.join('; ')}. Complete the update.`;
  return [{ kind: 'version', nodes: own.map(({ nodeId }) => nodeId), text }];
}

function certificate({ nodeId, certificate }: NodeDiagnosis, nowMs: number): readonly Finding[] {
  if (!certificate || certificate.validTo - nowMs >= CERTIFICATE_MS_LEAST) {
    return [];
  }
  const { subject, validTo } = certificate;
  const left = validTo - nowMs;
  const when = left > 0 ? `ends in ${durationOf(left)}` : 'has ended';
  const text =
    `The certificate of node ${nodeId} (${subject}) ${when}, at ${isoOf(validTo)}. Renew it (option tls): that needs no ` +
    'restart.';
  return [{ kind: 'certificate', nodes: [nodeId], text }];
}

function network(diagnosed: readonly Diagnosed[]): readonly Finding[] {
  return unreachedNodes(diagnosed).map(({ nodeId, by, error, remedy }) => ({
    kind: 'network',
    nodes: [nodeId, ...by],
    text: `Node ${nodeId} is not reached by ${listed(by)}: ${sentence(error)} ${remedy}`,
  }));
}

function quorums(partitions: readonly PartitionReport[]): readonly Finding[] {
  const stuck = partitions.filter(({ takesWrites }) => !takesWrites).map(({ group }) => group);
  if (stuck.length === 0) {
    return [];
  }
  const text =
    `${counted(stuck.length, 'partition')} without a quorum: ${listed(stuck)}. dkv partitions --without-quorum shows what ` +
    'is missing: start those nodes; where most of them are gone for good, use dkv recover.';
  return [{ kind: 'quorum', nodes: [], text }];
}
