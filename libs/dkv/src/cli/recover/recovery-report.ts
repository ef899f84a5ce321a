/** Says in plain words, or as JSON, what folders hold, what a recovery would do, and what may be lost by it. */
import { keepsConfiguration } from '../../model/membership.js';
import { type Configuration } from '../../model/raft-messages.js';
import { LISTED_MAX, listed } from '../text/figures.js';
import { type FolderView, type GroupView, memberOf } from './inspect-folder.js';
import { type GroupPlan, type RecoveryPlan, type Verdict } from './recovery-plan.js';

const VERDICTS: Record<Verdict, string> = {
  served: 'have a majority in the folders given: nothing to do',
  others: 'are served by nodes whose folders were not given, if those run: nothing to do',
  'by-itself':
    'lost half of their members, and the other half has all: start all nodes, and they mend it by themselves',
  forced: 'lost their majority, and go on from one folder',
  undecided: 'lost their majority, as far as can be told',
  lost: 'are in no folder that could be gone on from',
};

export function describePlan(plan: RecoveryPlan, isEveryGroup: boolean): string {
  const lines: string[] = [];
  for (const folder of plan.folders) {
    lines.push(...describeFolder(folder));
    if (isEveryGroup) {
      lines.push(...[...folder.groups.values()].map((view) => `  ${describeView(view)}`));
    }
  }
  lines.push(`The folders know ${countOf(plan.groups)}:`);
  for (const [verdict, text] of Object.entries(VERDICTS) as [Verdict, string][]) {
    const groups = plan.groups.filter((group) => group.verdict === verdict);
    if (groups.length > 0) {
      lines.push(`  ${countOf(groups)} ${text}: ${numbersOf(groups)}`);
    }
  }
  lines.push(...whatWillBeDone(plan, isEveryGroup), ...whatMayBeLost(plan), ...whatIsMissing(plan));
  return `${lines.join('\n')}\n`;
}

function describeFolder(folder: FolderView): string[] {
  const { where, nodeId, clusterId, engine, incarnation, previousIncarnations, damage, forgot, logPosition } =
    folder;
  const before = previousIncarnations.length > 0 ? ` (before: ${previousIncarnations.join(', ')})` : '';
  const lines = [
    `Folder ${where}`,
    `  node ${nodeId}, cluster ${clusterId || 'none yet'}, engine ${engine}, incarnation ${incarnation || 'none yet'}${before}`,
    `  log up to position ${logPosition}, ${countOf([...folder.groups.values()])}`,
  ];
  if (damage) {
    lines.push(`  the log is damaged: ${damage.file}, offset ${damage.offset}: ${damage.what}`);
  }
  if (forgot !== undefined) {
    lines.push(`  the node may have forgotten what it acknowledged, and starts as a new voter: ${forgot}`);
  }
  return lines;
}

function describeView({
  number,
  generation,
  term,
  lastIndex,
  applied,
  configuration,
  isVoid,
}: GroupView): string {
  const state = isVoid ? ', void: to be fetched again' : '';
  return (
    `partition ${number}: generation ${generation}, term ${term}, last entry ${lastIndex}, in the store up to ` +
    `${applied}${state}, voters ${describeConfiguration(configuration)}`
  );
}

function describeConfiguration({ voters, outgoing, learners }: Configuration): string {
  const joined = (members: readonly string[]) => members.join(' ') || 'unknown';
  return (
    joined(voters) +
    (outgoing.length > 0 ? `, in place of ${joined(outgoing)}` : '') +
    (learners.length > 0 ? `, learners ${joined(learners)}` : '')
  );
}

function whatWillBeDone({ cut, groups, voided }: RecoveryPlan, isEveryGroup: boolean): string[] {
  const lines: string[] = [];
  for (const { nodeId, damage } of cut) {
    lines.push(
      `  Node ${nodeId}: its log is cut at ${damage!.file}, offset ${damage!.offset}; it starts as a new voter, and the ` +
        'others bring it up to date.',
    );
  }
  const forced = groups.filter((group) => group.forced);
  for (const group of isEveryGroup ? forced : forced.slice(0, LISTED_MAX)) {
    const { source, generation, view } = group.forced!;
    lines.push(
      `  Partition ${group.number} goes on as generation ${generation} from node ${source.nodeId}, behind entry ` +
        `${view.lastIndex} of term ${view.lastTerm}.`,
    );
  }
  if (!isEveryGroup && forced.length > LISTED_MAX) {
    const rest = forced.slice(LISTED_MAX);
    const nodeIds = [...new Set(rest.map((group) => group.forced!.source.nodeId))].sort();
    lines.push(
      `  ${rest.length} more go on likewise, from ${nodeIds.join(', ')} (--groups lists each of them).`,
    );
  }
  for (const folder of new Set(voided.map((one) => one.folder))) {
    const own = voided.filter((one) => one.folder === folder);
    lines.push(
      `  Node ${folder.nodeId}: what it has of ${countOf(own)} becomes void, and it fetches them when it is started: ` +
        `${numbersOf(own)}.`,
    );
  }
  return lines.length > 0 ? ['What will be done', ...lines] : ['Nothing has to be done.'];
}

function whatMayBeLost({ cut, groups }: RecoveryPlan): string[] {
  const lines: string[] = [];
  if (cut.length > 0) {
    lines.push(
      '  What is behind the cut, of strong namespaces: nothing that was acknowledged, as long as a majority of each ' +
        "partition's nodes is there without this one. Of eventual namespaces: what no other node has.",
    );
  }
  const forced = groups.filter((group) => group.forced);
  if (forced.length > 0) {
    const missing = [...new Set(forced.flatMap((group) => group.missing))].sort();
    lines.push(
      `  Of ${countOf(forced)}: writes that were acknowledged and are in none of the folders given. They were on ` +
        `the members that are gone or forgot: ${missing.join(', ')}. Reads, locks and counters go on from what is left.`,
    );
    const lacking = forced.filter((group) => group.forced!.lacked > 0);
    if (lacking.length > 0) {
      const lacked = lacking.reduce((sum, group) => sum + group.forced!.lacked, 0);
      lines.push(
        `  ${lacked} entries or more that were committed, of partitions ${numbersOf(lacking)}: the folder that had applied ` +
          'them was about to fetch a snapshot, and shows nothing any more.',
      );
    }
    const dropped = forced.flatMap((group) => group.forced!.dropped);
    const entries = dropped.reduce((sum, one) => sum + one.entries.length, 0);
    if (entries > 0) {
      lines.push(
        `  ${entries} entries that no folder knows as committed; they are kept in a file dropped-….jsonl.`,
      );
    }
  }
  return lines.length > 0 ? ['What may be lost', ...lines] : [];
}

function whatIsMissing({ cut, groups }: RecoveryPlan): string[] {
  const undecided = groups.filter(({ verdict }) => verdict === 'undecided');
  const lost = groups.filter(({ verdict }) => verdict === 'lost');
  const others = groups.filter(({ verdict }) => verdict === 'others').flatMap((group) => group.unknown);
  const lines: string[] = [];
  if (others.length > 0 && cut.length === 0) {
    lines.push(
      `Not given: ${[...new Set(others)].sort().join(', ')}. If these nodes do not serve it, give their folders in the same ` +
        'command, or name them with --gone if their data will never come back.',
    );
  }
  if (undecided.length > 0) {
    const unknown = [...new Set(undecided.flatMap((group) => group.unknown))].sort();
    lines.push(
      `${countOf(undecided)} stay as they are: give the folders of these nodes, too, or name them with --gone ` +
        `if their data will never come back: ${unknown.join(', ')}.`,
    );
  }
  if (lost.length > 0) {
    lines.push(
      `${countOf(lost)} have nothing to go on from: restore a backup, or start every node with an empty folder.`,
    );
  }
  return lines;
}

/** For a sentence. */
export function numbersOf(groups: readonly { readonly number: number }[]): string {
  return listed(groups.map(({ number }) => number).filter((number) => !keepsConfiguration(number)));
}

/** How many they are, in words: that of the configuration is no partition. */
export function countOf(groups: readonly { readonly number: number }[]): string {
  const partitions = groups.filter(({ number }) => !keepsConfiguration(number)).length;
  const more = partitions < groups.length ? " and the cluster's configuration" : '';
  return `${partitions} partitions${more}`;
}

/** The same for programs. */
export function jsonOfPlan({ folders, gone, groups, voided }: RecoveryPlan): object {
  return {
    folders: folders.map((folder) => ({
      dataDir: folder.where,
      nodeId: folder.nodeId,
      clusterId: folder.clusterId,
      engine: folder.engine,
      incarnation: folder.incarnation,
      previousIncarnations: folder.previousIncarnations,
      logPosition: folder.logPosition,
      damage: folder.damage ?? null,
      forgot: folder.forgot ?? null,
      partitions: [...folder.groups.values()].map(
        ({ number, generation, term, lastIndex, lastTerm, applied, isVoid, configuration }) => ({
          partition: number,
          generation,
          term,
          lastIndex,
          lastTerm,
          applied,
          isVoid,
          configuration,
          isVoter: configuration.voters.includes(memberOf(folder)),
        }),
      ),
    })),
    gone,
    partitions: groups.map((group) => jsonOfGroup(group)),
    voided: voided.map(({ folder, number, generation }) => ({
      nodeId: folder.nodeId,
      partition: number,
      generation,
    })),
  };
}

function jsonOfGroup({ number, verdict, configuration, unknown, missing, forced }: GroupPlan): object {
  return {
    partition: number,
    verdict,
    configuration,
    unknown,
    missing,
    forced: forced
      ? {
          from: forced.source.nodeId,
          generation: forced.generation,
          lastIndex: forced.view.lastIndex,
          lastTerm: forced.view.lastTerm,
          lackedEntries: forced.lacked,
          droppedEntries: forced.dropped.reduce((sum, { entries }) => sum + entries.length, 0),
        }
      : null,
  };
}
