/** `dkv recover`: looks, says what it would do and what may be lost, asks, and does it. */
import { type Command } from 'commander';
import { SystemRandom } from '../../system/system-clock.js';
import { isAgreed } from '../agreement.js';
import { type CommandContext } from '../command-context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { QUIET } from '../quiet-logger.js';
import { type FolderView, inspectFolder } from './inspect-folder.js';
import { planRecovery } from './recovery-plan.js';
import { describePlan, jsonOfPlan } from './recovery-report.js';
import { recover } from './recovery-steps.js';

interface RecoverOptions {
  readonly dataDir: readonly string[];
  readonly gone: readonly string[];
  readonly groups?: boolean;
  readonly json?: boolean;
  readonly yes?: boolean;
}

const HELP = `
Stop the nodes whose folders you give; others may go on running.

Examples:
  A node does not start: DKV_LOG_DAMAGED. The others are well.
    dkv recover --data-dir /var/lib/app/dkv
  The disks of b and c are gone for good; a's is what is left of three.
    dkv recover --data-dir /var/lib/app/dkv --gone b --gone c
  All machines lost power under durability "wal", and c does not come back: bring the folders to one machine, recover, put
  them back.
    dkv recover --data-dir ./a --data-dir ./b --gone c
  Only look: answer no, or
    dkv recover --data-dir ./a --json < /dev/null

Exit codes: 0 done, or nothing to do; 1 failed; 2 wrong options; 3 a folder is in use; 4 partitions stay without a
majority; 5 not confirmed, nothing changed.
`;

export function addRecover(program: Command, context: CommandContext): void {
  program
    .command('recover')
    .description(
      'Mends data folders of nodes that are not running: cuts a damaged log, makes a lost majority whole again.',
    )
    .requiredOption('--data-dir <folder>', 'dataDir of a node; may be given more than once', collect)
    .option(
      '--gone <node>',
      'id of a node whose data will never come back; may be given more than once',
      collect,
      [],
    )
    .option('--groups', 'lists every partition, not only those that need something')
    .option('--json', 'prints one JSON object instead of text')
    .option('--yes', 'does it without asking')
    .addHelpText('after', HELP)
    .action(async (options: RecoverOptions) => context.exitWith(await runRecover(options, context)));
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** @throws DkvError of a folder that cannot be used */
async function runRecover(options: RecoverOptions, { terminal, clock }: CommandContext): Promise<ExitCode> {
  const work = { clock, random: new SystemRandom(), logger: QUIET };
  const folders: FolderView[] = [];
  for (const dataDir of options.dataDir) {
    folders.push(await inspectFolder(dataDir, work));
  }
  const wrong = whatDoesNotFit(folders, options.gone);
  if (wrong !== undefined) {
    terminal.error(`error: ${wrong}\n`);
    return EXIT.usage;
  }
  const plan = planRecovery(folders, options.gone);
  const isStuck = plan.groups.some(({ verdict }) => verdict === 'undecided' || verdict === 'lost');
  const hasWork = plan.cut.length > 0 || plan.voided.length > 0 || plan.groups.some(({ forced }) => forced);
  const did: string[] = [];
  let code: ExitCode = isStuck ? EXIT.undecided : EXIT.done;
  if (!options.json) {
    terminal.out(describePlan(plan, options.groups === true));
  }
  if (hasWork) {
    if (options.yes || (await isAgreed(terminal, 'Do this?'))) {
      await recover(plan, work, (sentence) => {
        did.push(sentence);
        if (!options.json) {
          terminal.out(`${sentence}\n`);
        }
      });
    } else {
      code = EXIT.declined;
    }
  }
  if (options.json) {
    terminal.out(`${JSON.stringify({ ...jsonOfPlan(plan), did, exitCode: code }, null, 2)}\n`);
  } else if (code === EXIT.declined) {
    terminal.out('Nothing was changed.\n');
  } else if (did.length > 0) {
    terminal.out('Done. Start the nodes again.\n');
  }
  return code;
}

function whatDoesNotFit(folders: readonly FolderView[], gone: readonly string[]): string | undefined {
  const [first] = folders;
  const nodeIds = folders.map(({ nodeId }) => nodeId);
  const twice = nodeIds.find((nodeId, place) => nodeIds.indexOf(nodeId) !== place);
  if (twice !== undefined) {
    return `two of the folders are of node ${twice}`;
  }
  const stranger = folders.find(({ clusterId }) => clusterId !== first!.clusterId);
  if (stranger) {
    return `${stranger.where} is of cluster ${stranger.clusterId || '(none)'}, ${first!.where} of ${first!.clusterId || '(none)'}`;
  }
  for (const nodeId of gone) {
    if (nodeIds.includes(nodeId)) {
      return `node ${nodeId} is said to be gone, and its folder is given`;
    }
    if (!first!.nodeIds.includes(nodeId)) {
      return `${nodeId} is no node of this cluster: ${first!.nodeIds.join(', ')}`;
    }
  }
  return undefined;
}
