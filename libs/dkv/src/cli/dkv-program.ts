/** The commands of `dkv`, and what an error looks like to who typed it. */
import { Command, CommanderError } from 'commander';
import { isDkvError } from '../dkv.errors.js';
import { DKV_VERSION } from '../dkv.version.js';
import { type Clock } from '../ports/clock.js';
import { SystemClock } from '../system/system-clock.js';
import { type CommandContext } from './command-context.js';
import { CommandFailure } from './command-failure.js';
import { addCompletion } from './completion/completion-command.js';
import { addConvert } from './convert/convert-command.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { addDoctor } from './online/doctor/doctor-command.js';
import { addExplain } from './online/explain-command.js';
import {
  addAdmit,
  addDecommission,
  addKeep,
  addRemove,
  addReplace,
  addReplicas,
  addWeight,
  addZone,
  addZones,
} from './online/members/change-commands.js';
import { addMembers } from './online/members/members-command.js';
import { addMoves } from './online/members/moves-command.js';
import { addPartitions } from './online/partitions-command.js';
import { addStatus } from './online/status-command.js';
import { addTransferLeadership } from './online/transfer-leadership-command.js';
import { addGet } from './online/values/get-command.js';
import { addPut } from './online/values/put-command.js';
import { addRm } from './online/values/rm-command.js';
import { addRecover } from './recover/recover-command.js';
import { type Terminal } from './terminal.js';
import { printable } from './text/printable.js';

const PROGRAM_HELP = `
dkv help <command> shows the options of a command, with examples.

Commands that ask a running cluster take its address and its admin key from the environment as well:
  export DKV_URL=http://10.0.0.1:7000,http://10.0.0.2:7000 DKV_ADMIN_KEY_FILE=/run/secrets/dkv-admin-key
  dkv status
`;

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
    .description(
      'Looks at a running cluster of nestjs-dkv, and after the data folders of nodes that are stopped.',
    )
    .version(DKV_VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.error(text),
      getOutHelpWidth: () => terminal.screen?.columns ?? HELP_COLUMNS,
      getErrHelpWidth: () => terminal.screen?.columns ?? HELP_COLUMNS,
    })
    .addHelpText('after', PROGRAM_HELP);
  program.commandsGroup('Of a running cluster:');
  for (const add of [addStatus, addPartitions, addExplain, addDoctor, addTransferLeadership]) {
    add(program, context);
  }
  program.commandsGroup('Of its members:');
  for (const add of [addMembers, addMoves, addAdmit, addDecommission, addRemove, addReplace]) {
    add(program, context);
  }
  for (const add of [addKeep, addWeight, addZone, addZones, addReplicas]) {
    add(program, context);
  }
  program.commandsGroup('Of its keys:');
  for (const add of [addGet, addPut, addRm]) {
    add(program, context);
  }
  program.commandsGroup('Of the data folders of stopped nodes:');
  for (const add of [addRecover, addConvert]) {
    add(program, context);
  }
  program.commandsGroup('Of the shell:');
  addCompletion(program, context);
  program.helpCommand('help [command]', 'Shows the help of a command.');
  return program;
}

/** Where help is not read on a screen. */
const HELP_COLUMNS = 100;
