/** The commands of `dkv`, their options and their help; and what an error looks like to who typed it. */
import { Command, CommanderError } from 'commander';
import { isDkvError } from '../dkv.errors.js';
import { CONVERT_HELP, type ConvertOptions, runConvert } from './convert-command.js';
import { DKV_VERSION } from '../dkv.version.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { type Terminal } from './terminal.js';
import { QUIET, RECOVER_HELP, type RecoverOptions, runRecover } from './recover-command.js';

/** Gives the exit code. Never throws. */
export async function runDkv(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  const program = new Command('dkv')
    .description('Looks after the data folders of nestjs-dkv.')
    .version(DKV_VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.error(text),
    });
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
    .addHelpText('after', RECOVER_HELP)
    .copyInheritedSettings(program)
    .action(async (options: RecoverOptions) => {
      code = await runRecover(options, terminal);
    });
  program
    .command('convert')
    .description('Writes the data folder of a node that is not running anew, with another storage engine.')
    .requiredOption('--data-dir <folder>', 'dataDir of the node')
    .requiredOption('--to <engine>', 'rocksdb, rocksdb-native or classic-level')
    .requiredOption('--out <folder>', 'the folder to make: absent or empty')
    .addHelpText('after', CONVERT_HELP)
    .copyInheritedSettings(program)
    .action(async (options: ConvertOptions) => {
      code = await runConvert(options, terminal, QUIET);
    });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    }
    const isKnown = isDkvError(error);
    terminal.error(
      `${isKnown ? `${error.code}: ` : ''}${error instanceof Error ? error.message : String(error)}\n`,
    );
    return isKnown && error.code === 'DKV_STORE_LOCKED' ? EXIT.inUse : EXIT.failed;
  }
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
