/** `dkv get`: the value of a key, as its bytes or decoded. */
import { Buffer } from 'node:buffer';
import { type Command } from 'commander';
import { READ_LEVELS } from '../../../model/consistency.js';
import { type CommandContext } from '../../command-context.js';
import { CommandFailure } from '../../command-failure.js';
import { EXIT, type ExitCode } from '../../exit-codes.js';
import { isPrintable, printable } from '../../text/printable.js';
import { asksCluster, print, type Session } from '../online-command.js';
import { checkKey, codecOption, type CodecOption, keyCommand, type KeyOptions } from './key-command.js';
import { getValue } from './kv-routes.js';
import { CODEC_HELP, decodeStored } from './value-codecs.js';

const HELP = `
${CODEC_HELP}

Examples:
  dkv get user:7 --codec msgpack
  dkv get user:7 > user-7.bin
  dkv get greeting --namespace texts --consistency linearizable
  The version, for a later put --if-version:
    dkv get user:7 --json | jq -r .version

With --json the pair is printed as the node tells it, the bytes of its value in base64; with a codec, also as decoded.

Exit codes: 0 done; 10 the key has no value, and nothing is printed; 8 no node answered; 9 the admin key was refused; 1 and 2
as always.
`;

export function addGet(program: Command, context: CommandContext): void {
  const command = keyCommand(program, 'get', 'Prints the value of a key.', READ_LEVELS).addOption(
    codecOption('how the bytes of the value are read'),
  );
  asksCluster(command, HELP, context, get);
}

async function get(session: Session, options: KeyOptions & CodecOption, key: string): Promise<ExitCode> {
  checkKey(key);
  const { namespace, consistency, codec } = options;
  const pair = await getValue(session.client, key, { namespace, consistency });
  const stored = Buffer.from(pair.value!, 'base64');
  const decoded = codec === 'raw' ? undefined : decodeStored(codec, stored);
  const { terminal } = session.context;
  if (options.json) {
    const value: unknown = decoded === undefined ? undefined : JSON.parse(decoded);
    print(session, options, { ...pair, ...(decoded !== undefined && { decoded: value }) }, () => undefined);
  } else if (decoded === undefined) {
    terminal.out(terminal.screen ? shownOnScreen(stored) : stored);
  } else {
    terminal.out(`${terminal.screen ? printable(decoded) : decoded}\n`);
  }
  return EXIT.done;
}

/** A terminal would obey what is in the value. */
function shownOnScreen(stored: Buffer): string {
  const text = stored.toString();
  if (!isPrintable(text) || !Buffer.from(text).equals(stored)) {
    throw new CommandFailure(
      EXIT.failed,
      `the ${stored.length} bytes of the value are no text: give --codec msgpack, or send them into a file or a pipe.`,
    );
  }
  return text;
}
