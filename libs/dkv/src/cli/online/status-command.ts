/** `dkv status`: how the cluster is, and each member of it, as one node sees them. */
import { type Command } from 'commander';
import { type ClusterReport, type MemberReport } from '../../model/cluster-report.js';
import { type CommandContext } from '../command-context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { counted, durationOf, offsetOf } from '../text/figures.js';
import { type Cell, type Column, type Page, type Tone } from '../text/page.js';
import { clusterReport } from './admin-routes.js';
import { asksCluster, type OnlineOptions, print, type Session } from './online-command.js';

const HELP = `
VOTES MISSING counts the partitions in which the vote of a node is missing, of those that the answering node holds; CLOCK
tells how far its clock is ahead of that node's.

Examples:
  dkv status --url http://10.0.0.1:7000,http://10.0.0.2:7000 --admin-key-file /run/secrets/dkv-admin-key
  Wait until a rolling update has settled:
    until dkv status > /dev/null; do sleep 5; done

Exit codes: 0 ok; 6 degraded; 7 unready; 8 no node answered; 9 the admin key was refused; 1 and 2 as always.
`;

const EXIT_OF: Record<ClusterReport['health'], ExitCode> = {
  ok: EXIT.done,
  degraded: EXIT.degraded,
  unready: EXIT.unready,
};
export const TONE_OF_HEALTH: Record<ClusterReport['health'], Tone> = {
  ok: 'good',
  degraded: 'warning',
  unready: 'bad',
};
const TONE_OF_STATE: Record<MemberReport['state'], Tone> = { up: 'good', suspect: 'warning', down: 'bad' };

const COLUMNS: readonly Column[] = [
  { title: 'NODE' },
  { title: 'ADDRESS' },
  { title: 'ZONE' },
  { title: 'STATE' },
  { title: 'READY' },
  { title: 'LEADS', align: 'right' },
  { title: 'HOLDER', align: 'right' },
  { title: 'REPLICA', align: 'right' },
  { title: 'VOTES MISSING', align: 'right' },
  { title: 'CLOCK', align: 'right' },
];

export function addStatus(program: Command, context: CommandContext): void {
  const command = program.command('status').description('Tells how the cluster is, and each of its nodes.');
  asksCluster(command, HELP, context, status);
}

async function status(session: Session, options: OnlineOptions): Promise<ExitCode> {
  const report = await clusterReport(session.client);
  print(session, options, report, (page) => describe(page, report, session.context.clock.now()));
  return EXIT_OF[report.health];
}

function describe(page: Page, report: ClusterReport, nowMs: number): void {
  const { answeredBy, version, partitions, replicas, copiesHeld, hashFunc, members, namespaces } = report;
  const held = copiesHeld === replicas + 1 ? '' : ` (${copiesHeld} so far)`;
  page
    .line(headlineOf(report), TONE_OF_HEALTH[report.health])
    .line(
      `${counted(partitions, 'partition')} by ${hashFunc}, ${counted(replicas + 1, 'copy', 'copies')} of each${held}; ` +
        `answered by ${answeredBy}, nestjs-dkv ${version}.`,
    )
    .line(
      `Of the partitions of ${answeredBy}, ${report.partitionsWithoutQuorum} take no writes, and ` +
        `${report.partitionsUnderReplicated} lack a copy.`,
    )
    .line(`Namespaces: ${namespaces.map(namespaceOf).join(', ') || 'none'}.`)
    .line()
    .table(
      COLUMNS,
      members.map((member) => rowOf(member, nowMs)),
    );
  const missing = members.filter(({ reason }) => reason !== '');
  if (missing.length > 0) {
    page.line();
    missing.forEach(({ nodeId, reason }) => page.line(`Votes of ${nodeId} are missing: ${reason}`));
  }
}

export function headlineOf({ clusterId, health, reason }: ClusterReport): string {
  const name = clusterId === '' ? 'A cluster that is not born yet' : `Cluster ${clusterId}`;
  return `${name} is ${health}${reason === '' ? '' : `: ${reason}`}`;
}

function namespaceOf({ name, mode, copies }: ClusterReport['namespaces'][number]): string {
  return `${name} (${mode}, ${counted(copies, 'copy', 'copies')})`;
}

function rowOf(member: MemberReport, nowMs: number): readonly Cell[] {
  const { nodeId, zone, ready, leads, partitions, votersMissing, clockOffsetMs } = member;
  return [
    nodeId,
    addressOf(member),
    zone || '-',
    { text: conditionOf(member, nowMs), tone: TONE_OF_STATE[member.state] },
    ready === undefined ? '-' : ready ? 'yes' : { text: 'no', tone: 'warning' },
    String(leads),
    String(partitions.holder),
    String(partitions.replica),
    votersMissing > 0 ? { text: String(votersMissing), tone: 'warning' } : '0',
    clockOffsetMs === undefined ? '-' : offsetOf(clockOffsetMs),
  ];
}

export function addressOf({ host, port }: Pick<MemberReport, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `up for 3 h`, `down for 12 s (unreachable)`. */
function conditionOf({ state, since, trouble }: MemberReport, nowMs: number): string {
  const lasting = since === undefined ? '' : ` for ${durationOf(nowMs - since)}`;
  return `${state}${lasting}${trouble === undefined ? '' : ` (${trouble})`}`;
}
