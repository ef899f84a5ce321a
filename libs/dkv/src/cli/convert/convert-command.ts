/** `dkv convert`: writes a data folder anew with another engine. */
import { type Command, Option } from 'commander';
import { convertFolder } from '../../storage/convert-folder.js';
import { DISK_ENGINES, type DiskEngine } from '../../storage/folder/store-identity.js';
import { type CommandContext } from '../command-context.js';
import { QUIET } from '../quiet-logger.js';

interface ConvertOptions {
  readonly dataDir: string;
  readonly to: DiskEngine;
  readonly out: string;
}

const HELP = `
Stop the node first. Run it on a Node release where both engines load: Node 20 loads all of them. Nothing of the old folder
is changed; the new one is read back and compared before it can be started.

Example, from Node 20 with rocksdb to Node 24:
  dkv convert --data-dir /var/lib/app/dkv --to classic-level --out /var/lib/app/dkv-new

Exit codes: 0 done; 1 failed; 2 wrong options; 3 the folder is in use.
`;

export function addConvert(program: Command, context: CommandContext): void {
  program
    .command('convert')
    .description('Writes the data folder of a node that is not running anew, with another storage engine.')
    .requiredOption('--data-dir <folder>', 'dataDir of the node')
    .addOption(
      new Option('--to <engine>', 'the engine of the new folder').choices(DISK_ENGINES).makeOptionMandatory(),
    )
    .requiredOption('--out <folder>', 'the folder to make: absent or empty')
    .addHelpText('after', HELP)
    .action((options: ConvertOptions) => runConvert(options, context));
}

/** @throws DkvError as `convertFolder` */
async function runConvert(
  { dataDir, to, out }: ConvertOptions,
  { terminal, clock }: CommandContext,
): Promise<void> {
  const converted = await convertFolder({ from: dataDir, to: out, engine: to, clock, logger: QUIET });
  terminal.out(
    `Node ${converted.nodeId}: ${converted.entries} entries (${converted.bytes} bytes) of ${converted.engine} in ${dataDir} are in ` +
      `${out} with ${to}; all were read back and are the same.\n` +
      `Start the node with dataDir ${out}. Remove ${dataDir} once it is ready, and start nothing on it any more.\n`,
  );
}
