/** `dkv members`: what each member is and what it runs on, asked of each. */
import { type Command } from 'commander';
import {
  type CandidateReport,
  type MemberReport,
  type NodeDiagnosis,
} from '../../../model/cluster-report.js';
import { type CommandContext } from '../../command-context.js';
import { EXIT, type ExitCode } from '../../exit-codes.js';
import { counted, durationOf, percentOf, sizeOf } from '../../text/figures.js';
import { type Cell, type Column } from '../../text/page.js';
import { clusterReport } from '../admin-routes.js';
import { diagnosesOf, type Diagnosed } from '../diagnoses.js';
import { asksCluster, type OnlineOptions, print, type Session } from '../online-command.js';
import { addressOf } from '../status-command.js';

const HELP = `
The other nodes are asked at the addresses that the cluster knows them by, so run this where those can be reached. SHARE is the node's
part of all copies of partitions, COPIES those that it holds now and, where that differs, is to hold. MEMBER: a node that is leaving gives its
copies away, a candidate waits to be taken in (dkv admit). KEEPER: it is one of those that keep the configuration. DISK FREE is of
the disk of its folder.

Example:
  dkv members --url http://10.0.0.1:7000 --admin-key-file /run/secrets/dkv-admin-key

Exit codes: 0 done, also where some nodes did not answer; 8 no node answered; 9 the admin key was refused; 1 and 2 as always.
`;

const COLUMNS: readonly Column[] = [
  { title: 'NODE' },
  { title: 'ADDRESS' },
  { title: 'ZONE' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'SHARE', align: 'right' },
  { title: 'COPIES', align: 'right' },
  { title: 'MEMBER' },
  { title: 'KEEPER' },
  { title: 'STATE' },
  { title: 'VERSION' },
  { title: 'NODE.JS' },
  { title: 'STARTED' },
  { title: 'STORAGE' },
  { title: 'DISK FREE' },
];
const UNKNOWN = '?';
const NONE = '-';

export function addMembers(program: Command, context: CommandContext): void {
  const command = program
    .command('members')
    .description(
      'Lists the nodes: whether they stay, their shares of the data, versions, storage, room on disks.',
    );
  asksCluster(command, HELP, context, members);
}

async function members(session: Session, options: OnlineOptions): Promise<ExitCode> {
  const report = await clusterReport(session.client);
  const { candidates } = report;
  const diagnosed = await diagnosesOf(session.client, report);
  const value = [
    ...diagnosed.map(({ member, diagnosis, error }) => ({
      ...member,
      ...(diagnosis && { diagnosis }),
      ...(error !== undefined && { error }),
    })),
    ...candidates,
  ];
  const copies = report.members.reduce(
    (sum, { partitions }) => sum + partitions.holder + partitions.replica,
    0,
  );
  const preferred =
    report.preferredZones.length > 0 ? `, leaders in ${report.preferredZones.join(', ')} first` : '';
  const zones = new Set(report.members.map(({ zone }) => zone).filter((zone) => zone !== ''));
  const place = zones.size > 0 ? ` in ${counted(zones.size, 'zone')}` : '';
  const waiting = candidates.length > 0 ? `; ${counted(candidates.length, 'candidate')}` : '';
  const nowMs = session.context.clock.now();
  print(session, options, value, (page) => {
    page
      .line(
        `${counted(report.members.length, 'node')}${place}, ${copies} copies of ${counted(report.partitions, 'partition')}${preferred}${waiting}`,
      )
      .line()
      .table(COLUMNS, [
        ...diagnosed.map((one) => rowOf(one, copies, nowMs)),
        ...candidates.map(candidateRow),
      ]);
    const silent = diagnosed.filter(({ error }) => error !== undefined);
    if (silent.length > 0) {
      page.line();
      silent.forEach(({ member, error }) =>
        page.line(`Node ${member.nodeId} did not answer this command: ${error}`),
      );
    }
  });
  return EXIT.done;
}

function rowOf({ member, diagnosis }: Diagnosed, copies: number, nowMs: number): readonly Cell[] {
  const { nodeId, zone, weight, partitions, state, trouble, membership, keepsConfiguration } = member;
  return [
    nodeId,
    addressOf(member),
    zone || NONE,
    String(weight),
    percentOf(partitions.holder + partitions.replica, copies),
    copiesOf(member),
    membership === 'member' ? 'yes' : { text: membership, tone: 'warning' },
    keepsConfiguration ? 'yes' : NONE,
    trouble === undefined ? state : { text: `${state} (${trouble})`, tone: 'warning' },
    ...(diagnosis ? ownCells(diagnosis, nowMs) : Array.from({ length: 5 }, () => UNKNOWN)),
  ];
}

/** Nobody has asked it anything yet. */
function candidateRow(candidate: CandidateReport): readonly Cell[] {
  const { nodeId, zone, weight, membership } = candidate;
  const own = [nodeId, addressOf(candidate), zone || NONE, String(weight), NONE, '0', membership];
  return [...own, ...Array.from({ length: COLUMNS.length - own.length }, () => NONE)];
}

/** `64`, or `64 → 40` where it gives some away. */
function copiesOf({ copies: { held, target } }: MemberReport): string {
  return held === target ? String(held) : `${held} → ${target}`;
}

function ownCells({ version, runtime, startedAt, storage }: NodeDiagnosis, nowMs: number): readonly Cell[] {
  const { engine, durability, freeBytes, totalBytes } = storage;
  return [
    version,
    runtime,
    `${durationOf(nowMs - startedAt)} ago`,
    `${engine}, ${durability}`,
    freeBytes === undefined || totalBytes === undefined
      ? '-'
      : `${percentOf(freeBytes, totalBytes)} (${sizeOf(freeBytes)})`,
  ];
}
