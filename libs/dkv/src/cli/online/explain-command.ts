/** `dkv explain`: which nodes have a key, and what each of them has of it. */
import { type Command } from 'commander';
import { type CopyOfKey, type Explanation } from '../../model/cluster-report.js';
import { type CommandContext } from '../command-context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { isoOf } from '../text/figures.js';
import { type Cell, type Column, type Page } from '../text/page.js';
import { explanationOf } from './admin-routes.js';
import { asksCluster, type OnlineOptions, print, type Session } from './online-command.js';

const HELP = `
DIGEST is over namespace, key, value and expiry: copies that are the same have the same. In a strong namespace a copy that
has applied less than another may lack the newest value for a moment; a finding is what differs between copies that were
applied equally far.

Examples:
  dkv explain user:7
  dkv explain session:4711 --namespace sessions

Exit codes: 0 no finding; 13 findings; 8 no node answered; 9 the admin key was refused; 1 and 2 as always.
`;

const OF_GROUP: readonly Column[] = [
  { title: 'ROLE' },
  { title: 'TERM', align: 'right' },
  { title: 'COMMIT', align: 'right' },
  { title: 'APPLIED', align: 'right' },
];
const OF_RECORD: readonly Column[] = [
  { title: 'VERSION' },
  { title: 'DIGEST' },
  { title: 'BYTES', align: 'right' },
  { title: 'EXPIRES' },
];
const OF_HINTS: readonly Column[] = [{ title: 'HINTED BYTES', align: 'right' }];

interface ExplainOptions extends OnlineOptions {
  readonly namespace: string;
}

export function addExplain(program: Command, context: CommandContext): void {
  const command = program
    .command('explain')
    .description('Shows where a key is, what each node has of it, and what does not fit.')
    .argument('<key>', 'the key')
    .option('--namespace <name>', 'its namespace', 'default');
  asksCluster(command, HELP, context, explain);
}

async function explain(session: Session, options: ExplainOptions, key: string): Promise<ExitCode> {
  const explanation = await explanationOf(session.client, options.namespace, key);
  print(session, options, explanation, (page) => describe(page, explanation));
  return explanation.findings.length > 0 ? EXIT.findings : EXIT.done;
}

function describe(page: Page, explanation: Explanation): void {
  const { namespace, key, mode, hash, partition, group, list, leader, copies, findings } = explanation;
  const isStrong = mode === 'strong';
  page
    .line(`Key ${JSON.stringify(key)} of namespace ${namespace} (${mode})`)
    .line(`Hash ${hash}, partition ${partition}${isStrong ? `, group ${group}` : ''}`)
    .line(
      `Nodes ${list.join(' ')}${isStrong ? `, led by ${leader || 'none that is known'}` : ', the holder first'}`,
    )
    .line()
    .table(
      [{ title: 'NODE' }, ...(isStrong ? OF_GROUP : []), ...OF_RECORD, ...(isStrong ? [] : OF_HINTS)],
      copies.map((copy) => [
        copy.nodeId,
        ...(isStrong ? groupCells(copy) : []),
        ...recordCells(copy),
        ...(isStrong ? [] : [copy.hintBytes === undefined ? '?' : String(copy.hintBytes)]),
      ]),
    )
    .line();
  for (const { nodeId, error } of copies.filter((copy) => copy.error !== undefined)) {
    page.line(`Of node ${nodeId} nothing is known: ${error}`);
  }
  findings.forEach((finding) => page.line(`Finding: ${finding}`, 'bad'));
  if (findings.length === 0) {
    page.line('No finding.', 'good');
  }
}

function groupCells({ group }: CopyOfKey): readonly Cell[] {
  return group
    ? [group.role, String(group.term), String(group.commit), String(group.applied)]
    : OF_GROUP.map(() => '?');
}

function recordCells({ error, record }: CopyOfKey): readonly Cell[] {
  if (!record) {
    return OF_RECORD.map(() => (error === undefined ? '-' : '?'));
  }
  const { version, digest, valueBytes, expiresAtMs, isTombstone } = record;
  return [
    version,
    digest,
    isTombstone ? 'deleted' : String(valueBytes),
    expiresAtMs === 0 ? 'never' : isoOf(expiresAtMs),
  ];
}
