/** `dkv convert`: writes a data folder anew with another engine. */
import { type Logger } from '../ports/logger.js';
import { convertFolder } from '../storage/convert-folder.js';
import { DISK_ENGINES } from '../storage/folder/store-identity.js';
import { SystemClock } from '../system/system-clock.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { type Terminal } from './terminal.js';

export interface ConvertOptions {
  readonly dataDir: string;
  readonly to: string;
  readonly out: string;
}

export const CONVERT_HELP = `
Stop the node first. Run it on a Node release where both engines load: Node 20 loads all of them. Nothing of the old folder
is changed; the new one is read back and compared before it can be started.

Example, from Node 20 with rocksdb to Node 24:
  dkv convert --data-dir /var/lib/app/dkv --to classic-level --out /var/lib/app/dkv-new

Exit codes: 0 done; 1 failed; 2 wrong options; 3 the folder is in use.
`;

/** @throws DkvError as `convertFolder` */
export async function runConvert(
  { dataDir, to, out }: ConvertOptions,
  terminal: Terminal,
  logger: Logger,
): Promise<ExitCode> {
  const engine = DISK_ENGINES.find((one) => one === to);
  if (!engine) {
    terminal.error(`error: --to is '${to}': give one of ${DISK_ENGINES.join(', ')}\n`);
    return EXIT.usage;
  }
  const converted = await convertFolder({ from: dataDir, to: out, engine, clock: new SystemClock(), logger });
  terminal.out(
    `Node ${converted.nodeId}: ${converted.entries} entries (${converted.bytes} bytes) of ${converted.engine} in ${dataDir} are in ` +
      `${out} with ${engine}; all were read back and are the same.\n` +
      `Start the node with dataDir ${out}. Remove ${dataDir} once it is ready, and start nothing on it any more.\n`,
  );
  return EXIT.done;
}
