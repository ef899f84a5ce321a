/** The commands of `dkv`, and what an error looks like to who typed it. */
import { Command, CommanderError } from 'commander';
import { isDkvError } from '../dkv.errors.js';
import { DKV_VERSION } from '../dkv.version.js';
import { type Clock } from '../ports/clock.js';
import { SystemClock } from '../system/system-clock.js';
import { type CommandContext } from './command-context.js';
import { CommandFailure } from './command-failure.js';
import { addConvert } from './convert/convert-command.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { addRecover } from './recover/recover-command.js';
import { type Terminal } from './terminal.js';
import { printable } from './text/printable.js';

/** Gives the exit code. Never throws. `clock` gives the time and ends what takes too long. */
export async function runDkv(
  args: readonly string[],
  terminal: Terminal,
  clock: Clock = new SystemClock(),
): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  const program = dkvProgram({ terminal, clock, exitWith: (given) => (code = given) });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    }
    if (error instanceof CommandFailure) {
      terminal.error(`error: ${printable(error.message)}\n`);
      return error.exitCode;
    }
    const isKnown = isDkvError(error);
    terminal.error(
      `${isKnown ? `${error.code}: ` : ''}${printable(error instanceof Error ? error.message : String(error))}\n`,
    );
    return isKnown && error.code === 'DKV_STORE_LOCKED' ? EXIT.inUse : EXIT.failed;
  }
}

function dkvProgram(context: CommandContext): Command {
  const { terminal } = context;
  const program = new Command('dkv')
    .description('Looks after the data folders of nestjs-dkv.')
    .version(DKV_VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.error(text),
      getOutHelpWidth: () => terminal.screen?.columns ?? HELP_COLUMNS,
      getErrHelpWidth: () => terminal.screen?.columns ?? HELP_COLUMNS,
    });
  for (const add of [addRecover, addConvert]) {
    add(program, context);
  }
  return program;
}

/** Where help is not read on a screen. */
const HELP_COLUMNS = 100;
