/** Waits for partitions to arrive where they are to be, and shows how far they are: a bar on a screen, else a line for each change. */
import { type MovesReport } from '../../../model/moves-report.js';
import { CommandFailure } from '../../command-failure.js';
import { EXIT } from '../../exit-codes.js';
import { type Screen, type Terminal } from '../../terminal.js';
import { counted, durationOf, sizeOf } from '../../text/figures.js';
import { movesReport } from '../admin-routes.js';
import { type Session } from '../online-command.js';
import { wholeNumberOf } from '../whole-number.js';

/** Between two looks. */
export const LOOK_MS = 1_000;
const WITHIN_SECONDS_MAX = 30 * 86_400;
const BAR_CHARACTERS_MAX = 30;
/** A shorter bar says nothing. */
const BAR_CHARACTERS_MIN = 5;
/** Goes to the beginning of the line of a terminal, and clears it (ECMA-48: CR, EL 2). */
const ANEW = '\r\x1b[2K';

export interface WatchOptions {
  /** Seconds, as it was typed. */
  readonly within?: string;
  readonly json?: boolean;
}

export const WITHIN_OPTION = [
  '--within <seconds>',
  'how long to wait for that (default: as long as it takes)',
] as const;

/**
 * Gives the first report that `isDone` accepts, of `epoch` or later: a node that has not heard of a change yet tells of before.
 * @throws CommandFailure `moving` where there is none in the time given, and what `isDone` throws
 */
export async function watchMoves(
  { client, context: { terminal, clock } }: Session,
  { within, json }: WatchOptions,
  epoch: number,
  isDone: (report: MovesReport) => boolean,
): Promise<MovesReport> {
  const withinMs = withinMsOf(within);
  const endsAt = clock.monotonic() + withinMs;
  const progress = new Progress(terminal);
  try {
    for (;;) {
      const report = await movesReport(client);
      const isKnown = report.epoch >= epoch;
      if (isKnown && !json) {
        progress.show(report);
      }
      if (isKnown && isDone(report)) {
        return report;
      }
      const leftMs = endsAt - clock.monotonic();
      if (leftMs <= 0) {
        throw new CommandFailure(
          EXIT.moving,
          `not done within ${withinMs / 1_000} s: ${countsOf(report)}. It goes on; dkv moves --watch shows how far it is.`,
        );
      }
      await new Promise<void>((resolve) => clock.schedule(Math.min(LOOK_MS, leftMs), resolve));
    }
  } finally {
    progress.end();
  }
}

/** Before anything is asked. @throws CommandFailure `usage` */
export function withinMsOf(within: string | undefined): number {
  return within === undefined ? Infinity : 1_000 * wholeNumberOf('--within', within, 1, WITHIN_SECONDS_MAX);
}

/** `, 310 MiB of 1.2 GiB copied, 16 MiB/s, 55 s left`; '' where there is nothing to copy. */
export function copiedOf({ progress }: MovesReport): string {
  const { bytesCopied, bytesTotal, bytesPerSecond, secondsLeft } = progress;
  const left = secondsLeft === undefined ? '' : `, ${durationOf(1_000 * secondsLeft)} left`;
  const rate = bytesPerSecond > 0 ? `, ${sizeOf(bytesPerSecond)}/s` : '';
  return bytesTotal > 0 ? `, ${sizeOf(bytesCopied)} of ${sizeOf(bytesTotal)} copied${rate}${left}` : '';
}

/** `2 move, 41 wait (epoch 9)`. */
export function countsOf({ moving, waiting, epoch }: MovesReport): string {
  const counts = `${counted(moving.length, 'moves', 'move')}, ${counted(waiting, 'waits', 'wait')}`;
  return `${moving.length + waiting === 0 ? 'nothing moves' : counts} (epoch ${epoch})`;
}

class Progress {
  /** Other changes may come in between: there is never less to do than there was. */
  private toMoveMax = 0;
  private shown = '';

  constructor(private readonly terminal: Terminal) {}

  show(report: MovesReport): void {
    const toMove = report.moving.length + report.waiting;
    // The node that is asked may have seen more of it arrive.
    this.toMoveMax = Math.max(this.toMoveMax, toMove, report.progress.partitionsTotal);
    const arrived = this.toMoveMax - toMove;
    const text = `${arrived} of ${this.toMoveMax} arrived, ${countsOf(report)}${copiedOf(report)}`;
    if (this.toMoveMax === 0 || text === this.shown) {
      return;
    }
    const { screen } = this.terminal;
    this.terminal.out(screen ? ANEW + onScreen(screen, arrived / this.toMoveMax, text) : `${text}\n`);
    this.shown = text;
  }

  end(): void {
    if (this.terminal.screen && this.shown !== '') {
      this.terminal.out('\n');
    }
  }
}

/** In one line, which is not full: a full one would go on to the next. */
function onScreen({ columns }: Screen, part: number, text: string): string {
  const room = Math.min(BAR_CHARACTERS_MAX, columns - text.length - '[]  '.length);
  if (room < BAR_CHARACTERS_MIN) {
    return text.slice(0, columns - 1);
  }
  const full = Math.floor(part * room);
  return `[${'#'.repeat(full)}${'.'.repeat(room - full)}] ${text}`;
}
