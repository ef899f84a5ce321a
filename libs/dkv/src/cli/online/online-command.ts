/** What the commands that ask a running cluster have in common: how they are declared, and how they print. */
import { type Command } from 'commander';
import { type CommandContext } from '../command-context.js';
import { type ExitCode } from '../exit-codes.js';
import { Page } from '../text/page.js';
import { ClusterClient } from './cluster-client.js';
import { addConnectionOptions, connectionOf, type ConnectionOptions } from './connection.js';

export interface OnlineOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** What a command asks, and where it prints. */
export interface Session {
  readonly client: ClusterClient;
  readonly context: CommandContext;
}

/**
 * Completes a command whose arguments and own options are there: `run` is given its arguments, then its options, and gives
 * the exit code.
 */
export function asksCluster<Arguments extends readonly unknown[], Options extends OnlineOptions>(
  command: Command,
  help: string,
  context: CommandContext,
  run: (session: Session, options: Options, ...args: Arguments) => Promise<ExitCode>,
): void {
  command.option('--json', 'prints one JSON value instead of text');
  addConnectionOptions(command)
    .addHelpText('after', help)
    .action(async (...given: unknown[]) => {
      // Commander gives the arguments, then the options, then the command.
      const args = given.slice(0, -2) as unknown as Arguments;
      const options = given.at(-2) as Options;
      const client = new ClusterClient(connectionOf(options, context), context.clock);
      context.exitWith(await run({ client, context }, options, ...args));
    });
}

/** `value` as JSON where that is asked for, else what `write` puts on a page. */
export function print(
  { context: { terminal } }: Session,
  { json }: OnlineOptions,
  value: unknown,
  write: (page: Page) => void,
): void {
  if (json) {
    terminal.out(`${JSON.stringify(value, null, 2)}\n`);
    return;
  }
  const page = new Page(terminal.screen);
  write(page);
  terminal.out(page.toString());
}
