/** `dkv moves`: which partitions move to other nodes, and waiting until they have. */
import { type Command } from 'commander';
import { type MoveReport, type MovesReport } from '../../../model/moves-report.js';
import { type CommandContext } from '../../command-context.js';
import { EXIT, type ExitCode } from '../../exit-codes.js';
import { counted, percentOf } from '../../text/figures.js';
import { type Column, type Page } from '../../text/page.js';
import { movesReport } from '../admin-routes.js';
import { asksCluster, type OnlineOptions, print, type Session } from '../online-command.js';
import { copiedOf, countsOf, watchMoves, WITHIN_OPTION, withinMsOf } from './watched-moves.js';

const HELP = `
After a change of the members, partitions move to other nodes, a few at once, and so does the configuration, where other nodes are to
keep it. FROM and TO are lists of nodes, the holder first; the epoch rises with each change and each step.

With --watch it shows how far they are, once a second, and ends when nothing moves any more: as a bar on a terminal, else with a
line for each change. Where nothing moves yet, it waits 30 s for something to begin. Bytes are those of keys and values, of the copies
that are made anew; the rate is that of the last ten seconds.

Examples:
  dkv moves
  dkv moves --watch --within 3600

Exit codes: 0 done; 14 something moves still when the time is over; 8 no node answered; 9 the admin key was refused; 1 and 2 as
always.
`;

/** So long is something waited for that moves. */
const BEGIN_MS = 30_000;
const COLUMNS: readonly Column[] = [
  { title: 'PARTITION' },
  { title: 'FROM' },
  { title: 'TO' },
  { title: 'SINCE EPOCH', align: 'right' },
  { title: 'COPIED', align: 'right' },
];

interface MovesOptions extends OnlineOptions {
  readonly watch?: boolean;
  readonly within?: string;
}

export function addMoves(program: Command, context: CommandContext): void {
  const command = program
    .command('moves')
    .description('Lists the partitions that move to other nodes, or waits until none does.')
    .option('--watch', 'shows how far they are until nothing moves any more')
    .option(...WITHIN_OPTION);
  asksCluster(command, HELP, context, moves);
}

async function moves(session: Session, options: MovesOptions): Promise<ExitCode> {
  withinMsOf(options.within);
  const report = options.watch
    ? await watchMoves(session, options, 0, untilMoved(session, options))
    : await movesReport(session.client);
  print(session, options, report, (page) => describe(page, report));
  return EXIT.done;
}

/** A node that was just started is no member yet: something may be about to begin. */
function untilMoved(
  { context: { clock, terminal } }: Session,
  { json, within }: MovesOptions,
): (report: MovesReport) => boolean {
  const beginMs = Math.min(BEGIN_MS, withinMsOf(within));
  const endsAt = clock.monotonic() + beginMs;
  let hasMoved = false;
  let isTold = json === true;
  return ({ isSettled }) => {
    hasMoved ||= !isSettled;
    const isAwaited = !hasMoved && clock.monotonic() < endsAt;
    if (isAwaited && !isTold) {
      isTold = true;
      terminal.out(
        `Nothing moves yet: waiting ${beginMs / 1_000} s for something to begin, as when a node joins.\n`,
      );
    }
    return isSettled && !isAwaited;
  };
}

function describe(page: Page, report: MovesReport): void {
  const { asked, held } = report.copies;
  page.line(
    report.isSettled
      ? `All is where it is to be: ${countsOf(report)}.`
      : `Under way: ${countsOf(report)}${copiedOf(report)}.`,
    report.isSettled ? 'good' : 'warning',
  );
  if (asked !== held) {
    page.line(
      `A key is to have ${counted(asked, 'copy', 'copies')}, and has ${held} in each partition at least.`,
    );
  }
  if (report.isSettled) {
    return;
  }
  if (report.moving.length > 0) {
    page.line().table(COLUMNS, report.moving.map(rowOf));
  }
  const leaving = report.members.filter(({ membership }) => membership === 'leaving');
  if (leaving.length > 0) {
    page.line();
    leaving.forEach(({ nodeId, copies }) =>
      page.line(`Node ${nodeId} leaves, and still holds ${counted(copies.held, 'copy', 'copies')}.`),
    );
  }
}

function rowOf({ partition, from, to, sinceEpoch, bytesCopied, bytesToCopy }: MoveReport): readonly string[] {
  const name = partition === undefined ? 'configuration' : String(partition);
  return [name, from.join(' '), to.join(' '), String(sinceEpoch), percentOf(bytesCopied, bytesToCopy)];
}
