/** `dkv admit`, `decommission`, `remove`, `replace`, `keep`, `weight`, `zone` and `replicas`: the members of a running cluster change. */
import { type Command } from 'commander';
import { isAgreed } from '../../agreement.js';
import { areZones, PREFERRED_ZONES_RULE } from '../../../model/zones.js';
import { type CommandContext } from '../../command-context.js';
import { CommandFailure } from '../../command-failure.js';
import { EXIT } from '../../exit-codes.js';
import { REPLICAS_MAX } from '../../../hashring/ring-options.js';
import { counted } from '../../text/figures.js';
import { wholeNumberOf } from '../whole-number.js';
import { type ChangeOptions, changesMembers } from './change-command.js';

const ADMIT_HELP = `
A candidate is a node that was started with the addresses of this cluster and waits to be taken in; dkv members lists it. It joins with
the weight and zone that it has, and partitions move to it.

Example:
  dkv admit d --wait
`;
const DECOMMISSION_HELP = `
The node gives all its copies away to the others and is no member then. Let it run until that is done, which --wait waits for; then
stop it. Give addresses of other nodes, too: it is the others that go on.

Example:
  dkv decommission app-2 --wait && kubectl scale statefulset app --replicas=2
`;
const REMOVE_HELP = `
For a node that is down and does not come back: its copies are made anew from those that other nodes have. One that is up is refused:
decommission it. It asks before it does so, and ends with exit code 5 where that is not confirmed; where nobody can be asked, give --yes.

Example:
  dkv remove c --yes --wait
`;
const REPLACE_HELP = `
One node leaves and a candidate joins, in one step: what the one gives away, the other takes, and the rest stays where it is.

Example:
  dkv replace c d --wait
`;
const KEEP_HELP = `
Cancels what dkv decommission, remove or replace began, as long as the node is a member. What it gave away comes back to it.

Example:
  dkv keep c
`;
const WEIGHT_HELP = `
The weight is the node's share of the data relative to the others. It lasts: the option weight of the node is for its first start alone.

Example:
  dkv weight c 2
`;
const ZONE_HELP = `
Copies of a partition go to distinct zones first. The empty text is for a node whose zone is not known.

Examples:
  dkv zone c eu-1c
  dkv zone c ''
`;

const REPLICAS_HELP = `
Copies of a key besides the holder's: with 2 a key is on 3 nodes, or on all where there are fewer. It lasts: the option replicas of
nodes is for the first start of the cluster alone. With --namespace it is that of a namespace that asked for a number of copies, and of
all that asked for the same.

Examples:
  dkv replicas 2 --wait
  dkv replicas 0 --namespace cache
`;

interface ReplicasOptions extends ChangeOptions {
  readonly namespace?: string;
}

const ZONES_HELP = `
Nodes of these zones lead partitions while they are fit, those of the first zone before the others; without a zone, with --none, leaders
are spread over all nodes. The list replaces the one before. Copies stay where they are, but for namespaces with fewer copies than
the cluster gives: these are to be in these zones, too.

Examples:
  dkv zones eu-1a eu-1b
  dkv zones --none
`;

interface ZonesOptions extends ChangeOptions {
  readonly none?: boolean;
}

interface RemoveOptions extends ChangeOptions {
  readonly yes?: boolean;
}

export function addAdmit(program: Command, context: CommandContext): void {
  const command = program
    .command('admit')
    .description('Takes a node in that waits to join.')
    .argument('<node>', 'id of the candidate');
  changesMembers(command, ADMIT_HELP, context, (_options, nodeId: string) => ({
    route: 'admit',
    body: { nodeId },
    done: `Node ${nodeId} joins`,
  }));
}

export function addDecommission(program: Command, context: CommandContext): void {
  const command = program
    .command('decommission')
    .description('Has a node give all its copies away, and leave.')
    .argument('<node>', 'id of the node');
  changesMembers(command, DECOMMISSION_HELP, context, (_options, nodeId: string) => ({
    route: 'decommission',
    body: { nodeId },
    done: `Node ${nodeId} leaves`,
    leaving: nodeId,
  }));
}

export function addRemove(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const command = program
    .command('remove')
    .description('Takes a node out that is down for good.')
    .argument('<node>', 'id of the node')
    .option('--yes', 'does it without asking');
  changesMembers(command, REMOVE_HELP, context, async ({ yes }: RemoveOptions, nodeId: string) => {
    const question = `Remove node ${nodeId}? Its copies are made anew from those that other nodes have.`;
    if (!yes && !(await isAgreed(terminal, question))) {
      return undefined;
    }
    return { route: 'remove', body: { nodeId }, done: `Node ${nodeId} is to be removed`, leaving: nodeId };
  });
}

export function addReplace(program: Command, context: CommandContext): void {
  const command = program
    .command('replace')
    .description('Has a node leave, and a node that waits to join take its place.')
    .argument('<node>', 'id of the node that leaves')
    .argument('<by>', 'id of the candidate');
  changesMembers(command, REPLACE_HELP, context, (_options, nodeId: string, byNodeId: string) => ({
    route: 'replace',
    body: { nodeId, byNodeId },
    done: `Node ${byNodeId} takes the place of ${nodeId}`,
    leaving: nodeId,
  }));
}

export function addKeep(program: Command, context: CommandContext): void {
  const command = program
    .command('keep')
    .description('Has a node stay that is leaving.')
    .argument('<node>', 'id of the node');
  changesMembers(command, KEEP_HELP, context, (_options, nodeId: string) => ({
    route: 'keep',
    body: { nodeId },
    done: `Node ${nodeId} stays`,
  }));
}

export function addWeight(program: Command, context: CommandContext): void {
  const command = program
    .command('weight')
    .description('Gives a node another share of the data.')
    .argument('<node>', 'id of the node')
    .argument('<weight>', 'above 0, relative to the others');
  changesMembers(command, WEIGHT_HELP, context, (_options, nodeId: string, text: string) => {
    const weight = weightOf(text);
    return { route: 'weight', body: { nodeId, weight }, done: `The weight of node ${nodeId} is ${weight}` };
  });
}

export function addZone(program: Command, context: CommandContext): void {
  const command = program
    .command('zone')
    .description('Says in which zone a node is.')
    .argument('<node>', 'id of the node')
    .argument('<zone>', "its failure domain; '' where that is not known");
  changesMembers(command, ZONE_HELP, context, (_options, nodeId: string, zone: string) => ({
    route: 'zone',
    body: { nodeId, zone },
    done: zone === '' ? `The zone of node ${nodeId} is not known` : `The zone of node ${nodeId} is ${zone}`,
  }));
}

export function addReplicas(program: Command, context: CommandContext): void {
  const command = program
    .command('replicas')
    .description('Has a key on another number of nodes.')
    .argument('<number>', `copies besides the holder's, 0 to ${REPLICAS_MAX}`)
    .option('--namespace <name>', 'of a namespace that asked for a number of copies');
  changesMembers(command, REPLICAS_HELP, context, ({ namespace }: ReplicasOptions, text: string) => {
    const replicas = wholeNumberOf('<number>', text, 0, REPLICAS_MAX);
    const of = namespace === undefined ? 'A key' : `A key of namespace ${namespace}`;
    return {
      route: 'replicas',
      body: { replicas, ...(namespace !== undefined && { namespace }) },
      done: `${of} is to have ${counted(replicas, 'replica')}`,
    };
  });
}

export function addZones(program: Command, context: CommandContext): void {
  const command = program
    .command('zones')
    .description('Says in which zones leaders are to be.')
    .argument('[zones...]', 'the best first')
    .option('--none', 'spreads leaders over all nodes');
  changesMembers(command, ZONES_HELP, context, ({ none = false }: ZonesOptions, zones: readonly string[]) => {
    if (none !== (zones.length === 0) || !areZones(zones)) {
      throw new CommandFailure(EXIT.usage, `give ${PREFERRED_ZONES_RULE}, or --none.`);
    }
    const done = none
      ? 'Leaders are spread over all nodes'
      : `Zones ${zones.join(', ')} are preferred for leaders`;
    return { route: 'zones', body: { zones }, done };
  });
}

function weightOf(text: string): number {
  const weight = text.trim() === '' ? Number.NaN : Number(text);
  if (!(Number.isFinite(weight) && weight > 0)) {
    throw new CommandFailure(EXIT.usage, `<weight> is '${text}': give a number above 0, such as 1 or 0.5.`);
  }
  return weight;
}
