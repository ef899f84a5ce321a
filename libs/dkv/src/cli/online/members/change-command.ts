/** What the commands that change the members have in common: what they ask, what they print, and how they wait. */
import { type Command } from 'commander';
import { type MovesReport } from '../../../model/moves-report.js';
import { type CommandContext } from '../../command-context.js';
import { CommandFailure } from '../../command-failure.js';
import { EXIT, type ExitCode } from '../../exit-codes.js';
import { changeMembers, type ChangeRoute } from '../admin-routes.js';
import { asksCluster, type OnlineOptions, print, type Session } from '../online-command.js';
import { watchMoves, WITHIN_OPTION, withinMsOf } from './watched-moves.js';

const EXIT_CODES = `
Exit codes: 0 it is agreed on, and with --wait done; 11 others change the members at the same time, nothing was changed; 12 it was
sent, and its outcome is not known; 14 not done within the time given, it goes on; 8 no node answered; 9 the admin key was refused;
1 and 2 as always.
`;

export interface ChangeOptions extends OnlineOptions {
  readonly wait?: boolean;
  readonly within?: string;
}

export interface Change {
  readonly route: ChangeRoute;
  readonly body: Readonly<Record<string, unknown>>;
  /** What is agreed on then, a sentence without its full stop. */
  readonly done: string;
  /** The node that is to be no member in the end, where there is one. */
  readonly leaving?: string;
}

/** Completes a command whose arguments are there. `changeOf` gives undefined where it is not to be done after all. */
export function changesMembers<Arguments extends readonly unknown[], Options extends ChangeOptions>(
  command: Command,
  help: string,
  context: CommandContext,
  changeOf: (options: Options, ...args: Arguments) => Change | Promise<Change | undefined>,
): void {
  command
    .option('--wait', 'waits until what moves for it has moved, and shows how far that is')
    .option(...WITHIN_OPTION);
  asksCluster<Arguments, Options>(
    command,
    `${help}${EXIT_CODES}`,
    context,
    async (session, options, ...args) => {
      withinMsOf(options.within);
      const change = await changeOf(options, ...args);
      if (change) {
        return run(session, options, change);
      }
      print(session, options, { epoch: null }, (page) => page.line('Nothing was changed.'));
      return EXIT.declined;
    },
  );
}

async function run(session: Session, options: ChangeOptions, change: Change): Promise<ExitCode> {
  const { route, body, done, leaving } = change;
  const epoch = await changeMembers(session.client, route, body);
  if (!options.json) {
    print(session, options, undefined, (page) => {
      page.line(`${done} (epoch ${epoch}).`);
      if (!options.wait) {
        page.line('dkv moves --watch shows what moves for it.');
      }
    });
  }
  if (options.wait) {
    const isDone = leaving === undefined ? isSettled : (report: MovesReport) => isGone(report, leaving);
    await watchMoves(session, options, epoch, isDone);
  }
  if (options.json || options.wait) {
    print(session, options, { ...body, epoch }, (page) => {
      page.line(
        leaving === undefined ? 'All is where it is to be.' : `Node ${leaving} is no member any more.`,
      );
    });
  }
  return EXIT.done;
}

function isSettled({ isSettled: isThere }: MovesReport): boolean {
  return isThere;
}

/** @throws CommandFailure where it does not leave any more */
function isGone({ members }: MovesReport, nodeId: string): boolean {
  const found = members.find((member) => member.nodeId === nodeId);
  if (found?.membership === 'member') {
    throw new CommandFailure(
      EXIT.failed,
      `node ${nodeId} stays after all: somebody has kept it meanwhile. Ask again if it is to leave.`,
    );
  }
  return found === undefined;
}
