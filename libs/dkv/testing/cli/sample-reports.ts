/** What three nodes might tell an operator: all well, or with a node that went twelve seconds ago. */
import {
  type ClusterReport,
  type CopyOfGroup,
  type Explanation,
  type MemberReport,
  type NodeDiagnosis,
  type PartitionReport,
} from '../../src/model/cluster-report.js';
import { NO_PROGRESS } from '../fake-membership.js';
import { type MovesReport } from '../../src/model/moves-report.js';

/** When they told it, milliseconds since 1970: where `ManualClock` begins. */
export const TOLD_AT_MS = 1_700_000_000_000;

const HOUR_MS = 3_600_000;
const GIB = 2 ** 30;

export function sampleMember(nodeId: string, own: Partial<MemberReport> = {}): MemberReport {
  const number = 'abc'.indexOf(nodeId) + 1;
  return {
    nodeId,
    host: `10.0.10.1${number}`,
    port: 7000,
    zone: `eu-1${nodeId}`,
    weight: 1,
    state: 'up',
    ...(nodeId !== 'a' && { since: TOLD_AT_MS - 3 * HOUR_MS, clockOffsetMs: 2.4 * (number - 2) - 1 }),
    ready: true,
    leads: 21,
    partitions: { holder: 21, replica: 43 },
    votersMissing: 0,
    reason: '',
    membership: 'member',
    copies: { held: 64, target: 64 },
    keepsConfiguration: true,
    ...own,
  };
}

export function sampleCluster(own: Partial<ClusterReport> = {}): ClusterReport {
  return {
    answeredBy: 'a',
    version: '0.1.0',
    clusterId: '3f0c9a51d2e7',
    epoch: 1,
    partitions: 64,
    replicas: 2,
    copiesHeld: 3,
    hashFunc: 'md5',
    preferredZones: [],
    health: 'ok',
    reason: '',
    members: [
      sampleMember('a', { leads: 22, partitions: { holder: 22, replica: 42 } }),
      sampleMember('b'),
      sampleMember('c'),
    ],
    candidates: [],
    partitionsWithoutQuorum: 0,
    partitionsUnderReplicated: 0,
    namespaces: [
      { name: 'default', mode: 'strong', copies: 3 },
      { name: 'sessions', mode: 'eventual', copies: 2 },
    ],
    ...own,
  };
}

/** Node c went. */
export function degradedCluster(own: Partial<ClusterReport> = {}): ClusterReport {
  const [a, b] = sampleCluster().members as [MemberReport, MemberReport];
  const c = sampleMember('c', {
    state: 'down',
    since: TOLD_AT_MS - 12_000,
    trouble: 'unreachable',
    ready: undefined,
    clockOffsetMs: undefined,
    leads: 0,
    votersMissing: 64,
    reason: 'down',
  });
  return sampleCluster({
    health: 'degraded',
    reason: 'down: c',
    members: [{ ...a, leads: 32 }, { ...b, leads: 32 }, c],
    partitionsUnderReplicated: 64,
    ...own,
  });
}

/** Nodes b and c cannot be reached: whatever they do, this side takes no writes. */
export function splitCluster(): ClusterReport {
  const [a, , c] = degradedCluster().members as [MemberReport, MemberReport, MemberReport];
  const unreachable = { ...c, reason: 'cannot be reached' };
  const { nodeId, host, zone } = sampleMember('b');
  return sampleCluster({
    health: 'degraded',
    reason:
      '64 partitions take no writes: missing are the votes of b (cannot be reached), c (cannot be reached)',
    members: [{ ...a, leads: 0 }, { ...unreachable, nodeId, host, zone }, unreachable],
    partitionsWithoutQuorum: 64,
    partitionsUnderReplicated: 64,
  });
}

export function sampleCopy(nodeId: string, own: Partial<CopyOfGroup> = {}): CopyOfGroup {
  const role = nodeId === 'a' ? 'leader' : 'follower';
  return { nodeId, role, term: 3, lastIndex: 120, commit: 120, applied: 120, generation: 1, ...own };
}

/** Held by all three and led by a. */
export function samplePartition(partition: number, own: Partial<PartitionReport> = {}): PartitionReport {
  return {
    partition,
    group: partition,
    copies: 3,
    list: ['a', 'b', 'c'],
    leader: 'a',
    takesWrites: true,
    voters: ['a', 'b', 'c'],
    outgoing: [],
    learners: [],
    members: [sampleCopy('a'), sampleCopy('b'), sampleCopy('c')],
    ...own,
  };
}

export function sampleExplanation(own: Partial<Explanation> = {}): Explanation {
  const record = {
    version: '0000000100000000002a',
    digest: '9d3e01ac',
    valueBytes: 512,
    expiresAtMs: 0,
    isTombstone: false,
  };
  return {
    namespace: 'default',
    key: 'user:7',
    mode: 'strong',
    hash: '4fa1c07e',
    partition: 19,
    group: 19,
    list: ['a', 'b', 'c'],
    leader: 'a',
    copies: ['a', 'b', 'c'].map((nodeId) => ({ nodeId, group: sampleCopy(nodeId), record })),
    findings: [],
    ...own,
  };
}

export function sampleDiagnosis(nodeId: string, own: Partial<NodeDiagnosis> = {}): NodeDiagnosis {
  const others = ['a', 'b', 'c'].filter((other) => other !== nodeId);
  return {
    nodeId,
    version: '0.1.0',
    runtime: '24.9.0',
    startedAt: TOLD_AT_MS - 3 * HOUR_MS,
    now: TOLD_AT_MS,
    storage: {
      engine: 'rocksdb',
      folder: '/var/lib/app/dkv',
      durability: 'wal',
      freeBytes: 61 * GIB,
      totalBytes: 100 * GIB,
      failure: '',
      isDiskFull: false,
    },
    peers: others.map((other) => ({ nodeId: other, state: 'up', roundTripMs: 0.42, clockOffsetMs: 1 })),
    ...own,
  };
}

/** Of a cluster where nothing moves, unless told otherwise. */
export function sampleMoves(own: Partial<MovesReport> = {}): MovesReport {
  const members = ['a', 'b', 'c'].map((nodeId) => {
    const { membership, copies, keepsConfiguration } = sampleMember(nodeId);
    return { nodeId, membership, copies, keepsConfiguration };
  });
  const { moving = [], waiting = 0 } = own;
  const copies = { asked: 3, held: 3 };
  const progress = NO_PROGRESS.whole;
  const isSettled = moving.length + waiting === 0;
  return { epoch: 1, isSettled, copies, moving, waiting, progress, members, ...own };
}

/** Node c leaves, and d has joined for it: two move and `waiting` wait. */
export function leavingMoves(epoch: number, waiting: number): MovesReport {
  const [a, b, c] = sampleMoves().members;
  // The configuration moves too, and is no copy.
  const left = waiting + 1;
  return sampleMoves({
    epoch,
    moving: [
      { from: ['a', 'b', 'c'], to: ['a', 'b', 'd'], sinceEpoch: 8, bytesCopied: 0, bytesToCopy: 0 },
      {
        partition: 12,
        from: ['c', 'a', 'b'],
        to: ['a', 'b', 'd'],
        sinceEpoch: 9,
        bytesCopied: 0,
        bytesToCopy: 0,
      },
    ],
    waiting,
    members: [
      a!,
      b!,
      { ...c!, membership: 'leaving', copies: { held: left, target: 0 } },
      { ...c!, nodeId: 'd', copies: { held: 64 - left, target: 64 }, keepsConfiguration: false },
    ],
  });
}

/** Then c is no member any more. */
export function leftMoves(epoch: number): MovesReport {
  const [a, b, , d] = leavingMoves(epoch, 0).members;
  const copies = { held: 64, target: 64 };
  return sampleMoves({ epoch, members: [a!, b!, { ...d!, copies, keepsConfiguration: true }] });
}
