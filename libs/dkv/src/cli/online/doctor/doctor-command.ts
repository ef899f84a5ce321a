/** `dkv doctor`: asks every node how it is and how it reaches the others, and tells what somebody should mend. */
import { type Command } from 'commander';
import { type CommandContext } from '../../command-context.js';
import { EXIT, type ExitCode } from '../../exit-codes.js';
import { counted } from '../../text/figures.js';
import { type Page } from '../../text/page.js';
import { clusterReport, partitionReports } from '../admin-routes.js';
import { diagnosesOf } from '../diagnoses.js';
import { asksCluster, type OnlineOptions, print, type Session } from '../online-command.js';
import { type Examined, type Finding, findingsOf } from './findings.js';
import { reachabilityTable } from './reachability.js';

const HELP = `
Looks at disks (full, failed, less than 10 % free), clocks (more than 500 ms apart), versions that differ, certificates that
end within 30 days, nodes that do not reach each other, nodes that are not in service or cannot be asked, and partitions
without a quorum. The other nodes are asked at the addresses that the cluster knows them by, so run this where those can be
reached: in Kubernetes, in a pod.

Examples:
  dkv doctor --url http://10.0.0.1:7000 --admin-key-file /run/secrets/dkv-admin-key
  As a check that runs every hour:
    dkv doctor > report.txt || mail -s "dkv doctor" ops@example.org < report.txt

Exit codes: 0 no finding; 13 findings; 8 no node answered; 9 the admin key was refused; 1 and 2 as always.
`;

/** More nodes make a table that nobody reads. */
const TABLE_NODES_MAX = 12;

export function addDoctor(program: Command, context: CommandContext): void {
  const command = program
    .command('doctor')
    .description(
      'Asks every node how it is, and tells what to mend: disks, clocks, certificates, the network.',
    );
  asksCluster(command, HELP, context, doctor);
}

async function doctor(session: Session, options: OnlineOptions): Promise<ExitCode> {
  const { client, context } = session;
  const report = await clusterReport(client);
  const partitions = await partitionReports(client);
  const diagnosed = await diagnosesOf(client, report);
  const examined: Examined = { report, partitions, diagnosed, nowMs: context.clock.now() };
  const findings = findingsOf(examined);
  const value = {
    clusterId: report.clusterId,
    answeredBy: report.answeredBy,
    findings,
    nodes: diagnosed.map(({ member: { nodeId }, diagnosis, error }) => ({ nodeId, diagnosis, error })),
  };
  print(session, options, value, (page) => describe(page, examined, findings));
  return findings.length > 0 ? EXIT.findings : EXIT.done;
}

function describe(page: Page, { report, diagnosed }: Examined, findings: readonly Finding[]): void {
  const answered = diagnosed.filter(({ diagnosis }) => diagnosis).length;
  page.line(
    `Cluster ${report.clusterId || '(not born yet)'}: ${answered} of ${counted(diagnosed.length, 'node')} answered.`,
  );
  if (diagnosed.length > 1 && diagnosed.length <= TABLE_NODES_MAX) {
    const { columns, rows } = reachabilityTable(diagnosed);
    page.line().line('Round trips in milliseconds, from the node on the left:').table(columns, rows);
  }
  page.line();
  findings.forEach(({ text }) => page.line(`- ${text}`, 'bad'));
  page.line(
    findings.length > 0 ? `${counted(findings.length, 'finding')}.` : 'No finding.',
    findings.length > 0 ? undefined : 'good',
  );
}
