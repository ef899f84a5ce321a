/** `dkv put`: writes the value of a key. */
import { Buffer } from 'node:buffer';
import { type Command } from 'commander';
import { createReadStream } from 'node:fs';
import { WRITE_LEVELS } from '../../../model/consistency.js';
import { type CommandContext } from '../../command-context.js';
import { CommandFailure } from '../../command-failure.js';
import { EXIT, type ExitCode } from '../../exit-codes.js';
import { counted } from '../../text/figures.js';
import { asksCluster, print, type Session } from '../online-command.js';
import { wholeNumberOf } from '../whole-number.js';
import { checkKey, codecOption, type CodecOption, keyCommand, type KeyOptions } from './key-command.js';
import { putValue } from './kv-routes.js';
import { CODEC_HELP, encodeInput } from './value-codecs.js';

const HELP = `
The value is the argument, or in a file (--file), or piped in (the argument -).

${CODEC_HELP}

Examples:
  dkv put user:7 '{"name":"Ada"}' --codec msgpack
  dkv put logo --file logo.png --namespace images
  date | dkv put last-run - --ttl-ms 86400000
  Only if nobody else wrote it since it was read:
    dkv put user:7 --file user-7.bin --if-version 00000000010000000042
  Only if there is no value:
    dkv put user:7 '{}' --codec msgpack --if-version absent

Exit codes: 0 done; 11 the key has not the version expected, nothing was written; 12 it was sent and its outcome is not known;
8 no node answered; 9 the admin key was refused; 1 and 2 as always.
`;

/** The largest value that a node can be configured to take. */
const VALUE_BYTES_MAX = 64 * 2 ** 20;

interface PutOptions extends KeyOptions, CodecOption {
  readonly file?: string;
  readonly ttlMs?: string;
  readonly ifVersion?: string;
}

export function addPut(program: Command, context: CommandContext): void {
  const command = keyCommand(program, 'put', 'Writes the value of a key.', WRITE_LEVELS)
    .argument('[value]', 'the value; - takes what is piped in')
    .option('--file <file>', 'takes the value from this file')
    .option(
      '--ttl-ms <ms>',
      'the value is gone after so long; 0 keeps it for ever; default: as the namespace says',
    )
    .option('--if-version <version>', 'only if the key has this version, or no value: absent')
    .addOption(codecOption('how the value becomes bytes'));
  asksCluster(command, HELP, context, put);
}

async function put(session: Session, options: PutOptions, key: string, value?: string): Promise<ExitCode> {
  checkKey(key);
  const { namespace, consistency, codec, ttlMs, ifVersion } = options;
  const lifetime = ttlMs === undefined ? undefined : wholeNumberOf('--ttl-ms', ttlMs, 0);
  const stored = encodeInput(codec, await inputOf(session, value, options.file));
  const body = {
    key,
    value: Buffer.from(stored).toString('base64'),
    ttlMs: lifetime,
    consistency,
    ifVersion,
  };
  const written = await putValue(session.client, body, { namespace });
  print(session, options, written, (page) => {
    page.line(`Written: ${counted(stored.length, 'byte')}, version ${written.version}.`);
  });
  return EXIT.done;
}

async function inputOf(
  session: Session,
  value: string | undefined,
  file: string | undefined,
): Promise<Uint8Array> {
  if ((value === undefined) === (file === undefined)) {
    throw new CommandFailure(
      EXIT.usage,
      'give the value as an argument, or --file, or - for what is piped in.',
    );
  }
  if (file !== undefined) {
    return contentOf(createReadStream(file), file);
  }
  return value === '-'
    ? contentOf(session.context.terminal.input(), 'what is piped in')
    : Buffer.from(value!);
}

async function contentOf(source: AsyncIterable<unknown>, name: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > VALUE_BYTES_MAX) {
        throw new Error(`it has more than ${VALUE_BYTES_MAX} bytes`);
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw new CommandFailure(EXIT.usage, `${name} cannot be taken as a value: ${(error as Error).message}`);
  }
  return Buffer.concat(chunks);
}
