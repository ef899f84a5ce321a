/** `dkv rm`: removes the value of a key. */
import { type Command } from 'commander';
import { WRITE_LEVELS } from '../../../model/consistency.js';
import { type CommandContext } from '../../command-context.js';
import { EXIT, type ExitCode } from '../../exit-codes.js';
import { asksCluster, print, type Session } from '../online-command.js';
import { checkKey, keyCommand, type KeyOptions } from './key-command.js';
import { removeValue } from './kv-routes.js';

const HELP = `
Examples:
  dkv rm user:7
  dkv rm session:4711 --namespace sessions
  Only if nobody wrote it since it was read:
    dkv rm user:7 --if-version 00000000010000000042

Exit codes: 0 removed, or there was nothing; 11 the key has not the version expected, nothing was removed; 12 it was sent and
its outcome is not known; 8 no node answered; 9 the admin key was refused; 1 and 2 as always.
`;

interface RmOptions extends KeyOptions {
  readonly ifVersion?: string;
}

export function addRm(program: Command, context: CommandContext): void {
  const command = keyCommand(program, 'rm', 'Removes the value of a key.', WRITE_LEVELS).option(
    '--if-version <version>',
    'only if the key has this version',
  );
  asksCluster(command, HELP, context, rm);
}

async function rm(session: Session, options: RmOptions, key: string): Promise<ExitCode> {
  checkKey(key);
  const { namespace, consistency, ifVersion } = options;
  const answer = await removeValue(session.client, key, { namespace, consistency, ifVersion });
  print(session, options, answer, (page) => {
    page.line(answer.removed ? 'Removed.' : 'There was no value.');
  });
  return EXIT.done;
}
