/** `dkv transfer-leadership`: lets another node lead a partition. */
import { type Command } from 'commander';
import { type CommandContext } from '../command-context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { transferLeadership } from './admin-routes.js';
import { asksCluster, type OnlineOptions, print, type Session } from './online-command.js';
import { wholeNumberOf } from './whole-number.js';

const HELP = `
The group is the number that dkv partitions lists, and dkv explain tells of a key. The node must vote in it and have caught
up. After ten minutes the first node of its list leads again, where it is fit: this is for a moment, and for tests of failover.

Example:
  dkv transfer-leadership 17 b

Exit codes: 0 the node leads; 12 it was asked for, and no answer came in time; 8 no node answered; 9 the admin key was refused;
1 and 2 as always.
`;

export function addTransferLeadership(program: Command, context: CommandContext): void {
  const command = program
    .command('transfer-leadership')
    .description('Lets another node lead a partition of strong namespaces.')
    .argument('<group>', 'number of the group')
    .argument('<node>', 'id of the node that shall lead it');
  asksCluster(command, HELP, context, transfer);
}

async function transfer(
  session: Session,
  options: OnlineOptions,
  number: string,
  nodeId: string,
): Promise<ExitCode> {
  const group = wholeNumberOf('<group>', number, 0);
  await transferLeadership(session.client, group, nodeId);
  print(session, options, { group, nodeId }, (page) => {
    page.line(`Node ${nodeId} leads group ${group}.`);
  });
  return EXIT.done;
}
