/** What the commands on one key have in common. */
import { type Command, Option } from 'commander';
import { CommandFailure } from '../../command-failure.js';
import { EXIT } from '../../exit-codes.js';
import { assertKey } from '../../../model/key.js';
import { type OnlineOptions } from '../online-command.js';
import { CODECS, type CodecName } from './value-codecs.js';

export interface KeyOptions extends OnlineOptions {
  readonly namespace: string;
  /** Absent: as the namespace says. */
  readonly consistency?: string;
}

export interface CodecOption {
  readonly codec: CodecName;
}

export function keyCommand(
  program: Command,
  name: string,
  description: string,
  levels: readonly string[],
): Command {
  return program
    .command(name)
    .description(description)
    .argument('<key>', 'the key')
    .option('--namespace <name>', 'its namespace', 'default')
    .addOption(new Option('--consistency <level>', 'default: as the namespace says').choices(levels));
}

export function codecOption(description: string): Option {
  return new Option('--codec <codec>', description).choices(CODECS).default('raw');
}

/** @throws CommandFailure `usage` for what can be no key */
export function checkKey(key: string): void {
  try {
    assertKey(key);
  } catch (error) {
    throw new CommandFailure(EXIT.usage, (error as Error).message);
  }
}
