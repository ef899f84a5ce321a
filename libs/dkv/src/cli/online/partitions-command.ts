/** `dkv partitions`: where each partition is, who leads it, how far each copy is, and what is missing. */
import { type Command } from 'commander';
import { type CopyOfGroup, type PartitionReport } from '../../model/cluster-report.js';
import { type CommandContext } from '../command-context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { counted, listed } from '../text/figures.js';
import { type Cell, type Column } from '../text/page.js';
import { partitionReports } from './admin-routes.js';
import { asksCluster, type OnlineOptions, print, type Session } from './online-command.js';

const HELP = `
A partition of strong namespaces has a log of its own, by a group of nodes; namespaces with fewer copies than others have
groups apart, and GROUP is the number by which a leadership is handed on. LIST are its nodes, the holder first; APPLIED/COMMIT tells how far
each copy is in that log: entries in the store, and entries known as committed.

Examples:
  dkv partitions --without-quorum
  dkv partitions --node c
  Partitions that c leads:
    dkv partitions --json | jq '[.[] | select(.leader == "c") | .group]'

Exit codes: 0 done; 8 no node answered; 9 the admin key was refused; 1 and 2 as always.
`;

const COLUMNS: readonly Column[] = [
  { title: 'GROUP', align: 'right' },
  { title: 'PARTITION', align: 'right' },
  { title: 'COPIES', align: 'right' },
  { title: 'LIST' },
  { title: 'LEADER' },
  { title: 'TERM', align: 'right' },
  { title: 'APPLIED/COMMIT' },
  { title: 'MISSING' },
];

interface PartitionsOptions extends OnlineOptions {
  readonly node?: string;
  readonly withoutQuorum?: boolean;
}

export function addPartitions(program: Command, context: CommandContext): void {
  const command = program
    .command('partitions')
    .description(
      'Lists the partitions of strong namespaces: nodes, leader, how far each copy is, what is missing.',
    )
    .option('--node <node>', 'those alone that are on this node')
    .option('--without-quorum', 'those alone that take no writes');
  asksCluster(command, HELP, context, partitions);
}

async function partitions(session: Session, options: PartitionsOptions): Promise<ExitCode> {
  const all = await partitionReports(session.client);
  const chosen = all.filter(
    (report) =>
      (options.node === undefined || isOn(report, options.node)) &&
      (!options.withoutQuorum || !report.takesWrites),
  );
  print(session, options, chosen, (page) => {
    page.line(summaryOf(all), all.every(({ takesWrites }) => takesWrites) ? undefined : 'bad');
    if (chosen.length < all.length) {
      page.line(`Listed: ${counted(chosen.length, 'partition')}.`);
    }
    if (chosen.length > 0) {
      page.line().table(COLUMNS, chosen.map(rowOf));
    }
  });
  return EXIT.done;
}

function isOn({ list, members }: PartitionReport, node: string): boolean {
  return list.includes(node) || members.some(({ nodeId }) => nodeId === node);
}

function summaryOf(all: readonly PartitionReport[]): string {
  const stuck = all.filter(({ takesWrites }) => !takesWrites).map(({ group }) => group);
  const lacking = all.filter((report) => missingOf(report).length > 0);
  const writes =
    stuck.length === 0 ? 'all take writes' : `${stuck.length} without a quorum (${listed(stuck)})`;
  const missing = lacking.length === 0 ? 'nothing is missing' : `something is missing in ${lacking.length}`;
  return `${counted(all.length, 'partition')}: ${writes}; ${missing}.`;
}

function rowOf(report: PartitionReport): readonly Cell[] {
  const { group, partition, copies, list, leader, takesWrites, members } = report;
  const missing = missingOf(report).join(', ');
  return [
    String(group),
    String(partition),
    String(copies),
    list.join(' '),
    leader || '-',
    members.length === 0 ? '-' : String(Math.max(...members.map(({ term }) => term))),
    members.map(progressOf).join(', ') || '-',
    missing === '' ? '-' : { text: missing, tone: takesWrites ? 'warning' : 'bad' },
  ];
}

function progressOf({ nodeId, applied, commit }: CopyOfGroup): string {
  return `${nodeId} ${applied}/${commit}`;
}

function missingOf({
  takesWrites,
  leader,
  list,
  members,
  voters,
  outgoing = [],
}: PartitionReport): readonly string[] {
  const answered = members.map(({ nodeId }) => nodeId);
  const silent = list.filter((nodeId) => !answered.includes(nodeId));
  const voteless = list.filter((nodeId) => voters !== undefined && !voters.includes(nodeId));
  return [
    ...(takesWrites ? [] : ['quorum']),
    ...(leader === '' ? ['leader'] : []),
    ...silent.map((nodeId) => `answer of ${nodeId}`),
    ...voteless.map((nodeId) => `vote of ${nodeId}`),
    ...(outgoing.length > 0 ? [`end of a change of voters (${outgoing.join(' ')})`] : []),
  ];
}
