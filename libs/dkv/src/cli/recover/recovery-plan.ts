/** Decides what a recovery does with each group: pure, from what the folders say and which nodes are gone (rule 13). */
import { type Configuration, type LogEntry, type MemberId, nodeOf } from '../../model/raft-messages.js';
import { hasQuorum, votersOf } from '../../raft/raft-configurations.js';
import { forcedConfiguration } from '../../raft/raft-recovery.js';
import { type FolderView, type GroupView, memberOf } from './inspect-folder.js';

/**
 * - `served`: the folders given have a majority that forgot nothing.
 * - `others`: nodes that were not given, and not named as gone, can serve it.
 * - `by-itself`: half of it is gone, the other half has all: the nodes mend it when they are started.
 * - `forced`: a majority is gone; it goes on from one folder, as a new generation.
 * - `undecided`: that would be so, but of some nodes nothing is known here.
 * - `lost`: no folder given has records and log to go on from.
 */
export type Verdict = 'served' | 'others' | 'by-itself' | 'forced' | 'undecided' | 'lost';

export interface GroupPlan {
  readonly number: number;
  readonly verdict: Verdict;
  /** The newest that is known. */
  readonly configuration: Configuration;
  /** Nodes of its voters of which nothing is known. */
  readonly unknown: readonly string[];
  /** Nodes whose voters are gone for good, or may have forgotten. */
  readonly missing: readonly string[];
  /** Of a forced one: from which folder, to which generation, and what is known of it. */
  readonly forced: ForcedGroup | undefined;
}

export interface ForcedGroup {
  readonly source: FolderView;
  readonly view: GroupView;
  readonly generation: number;
  /** Above all that were seen. */
  readonly term: number;
  /** Entries that the group goes on without, by folder: never known as committed, or behind a lost segment. */
  readonly dropped: readonly { readonly folder: FolderView; readonly entries: readonly LogEntry[] }[];
  /** So many entries that a folder knows as committed are in none any more. */
  readonly lacked: number;
}

/** What of a folder is void from now on: of an older generation than another folder has, or will have. */
export interface VoidedGroup {
  readonly folder: FolderView;
  readonly number: number;
  readonly generation: number;
  readonly term: number;
}

export interface RecoveryPlan {
  readonly folders: readonly FolderView[];
  readonly gone: readonly string[];
  /** By number. */
  readonly groups: readonly GroupPlan[];
  /** Folders whose log is cut at the damage. */
  readonly cut: readonly FolderView[];
  readonly voided: readonly VoidedGroup[];
}

/** @param gone ids of nodes whose data will never come back */
export function planRecovery(folders: readonly FolderView[], gone: readonly string[]): RecoveryPlan {
  const numbers = new Set(folders.flatMap((folder) => [...folder.groups.keys()]));
  const groups: GroupPlan[] = [];
  const voided: VoidedGroup[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const copies = folders.flatMap((folder) => {
      const view = folder.groups.get(number);
      return view ? [{ folder, view }] : [];
    });
    const plan = planGroup(number, copies, folders, gone);
    groups.push(plan);
    const newest = Math.max(...copies.map(({ view }) => view.generation));
    const generation = plan.forced?.generation ?? newest;
    const term = plan.forced?.term ?? 0;
    for (const { folder, view } of copies) {
      if (folder !== plan.forced?.source && view.generation < generation) {
        voided.push({ folder, number, generation, term });
      }
    }
  }
  return { folders, gone, groups, cut: folders.filter(({ damage }) => damage !== undefined), voided };
}

interface Copy {
  readonly folder: FolderView;
  readonly view: GroupView;
}

function planGroup(
  number: number,
  copies: readonly Copy[],
  folders: readonly FolderView[],
  gone: readonly string[],
): GroupPlan {
  const newest = Math.max(...copies.map(({ view }) => view.generation));
  const current = copies.filter(({ view }) => view.generation === newest);
  const { configuration } = current.reduce((a, b) => (isAhead(b.view, a.view) ? b : a)).view;
  const isIntact = (voter: MemberId) =>
    current.some(({ folder }) => memberOf(folder) === voter && folder.forgot === undefined);
  const isUnknown = (voter: MemberId) =>
    !gone.includes(nodeOf(voter)) && !folders.some(({ nodeId }) => nodeId === nodeOf(voter));
  const mayServe = (voter: MemberId) => isIntact(voter) || isUnknown(voter);
  const voters = votersOf(configuration);
  const unknown = voters.filter(isUnknown).map(nodeOf);
  const plan = {
    number,
    configuration,
    unknown,
    missing: voters.filter((voter) => !mayServe(voter)).map(nodeOf),
    forced: undefined,
  };
  if (hasQuorum(configuration, isIntact)) {
    return { ...plan, verdict: 'served' };
  }
  const isMended = forcedConfiguration(configuration, (voter) => !mayServe(voter)) !== undefined;
  if (unknown.length > 0) {
    const canServe = isMended || hasQuorum(configuration, mayServe) || voters.length === 0;
    return { ...plan, verdict: canServe ? 'others' : 'undecided' };
  }
  if (isMended || voters.length === 0) {
    return { ...plan, verdict: isMended ? 'by-itself' : 'others' };
  }
  const source = sourceOf(current);
  return source
    ? { ...plan, verdict: 'forced', forced: forcedBy(source, copies, newest) }
    : { ...plan, verdict: 'lost' };
}

/**
 * A log that has all that any folder knows as committed, and of those the one with the highest last term and index: what
 * was acknowledged by a majority of which one is left is most likely in it. Where what is known is in none any more, since
 * the records that showed it are void, the one of all with the highest.
 */
function sourceOf(copies: readonly Copy[]): Copy | undefined {
  const whole = copies.filter(({ view }) => !view.isVoid && (view.state?.wholeFrom ?? 0) <= view.lastIndex);
  const full = whole.filter(({ view }) => lackedBy(view, copies) === 0);
  return (full.length > 0 ? full : whole).reduce<Copy | undefined>(
    (best, one) => (!best || isAhead(one.view, best.view) ? one : best),
    undefined,
  );
}

/** So many entries, at least, does it lack of what any of them knows as committed. */
function lackedBy(view: GroupView, copies: readonly Copy[]): number {
  const known = copies.reduce((a, b) => (b.view.applied > a.view.applied ? b : a)).view;
  return contains(view, known.applied, known.appliedTerm) ? 0 : Math.max(1, known.applied - view.lastIndex);
}

function contains({ applied, tail }: GroupView, index: number, term: number): boolean {
  return applied >= index || tail.some((entry) => entry.index === index && entry.term === term);
}

function isAhead(one: GroupView, other: GroupView): boolean {
  return (
    one.lastTerm > other.lastTerm || (one.lastTerm === other.lastTerm && one.lastIndex > other.lastIndex)
  );
}

function forcedBy(source: Copy, copies: readonly Copy[], newest: number): ForcedGroup {
  const { view } = source;
  const own = new Map(view.tail.map(({ index, term }) => [index, term]));
  const dropped = copies
    .map(({ folder, view: other }) => ({
      folder,
      entries: [...other.tail, ...other.stray].filter(
        ({ index, term }) => index > view.applied && own.get(index) !== term,
      ),
    }))
    .filter(({ entries }) => entries.length > 0);
  return {
    source: source.folder,
    view,
    generation: Math.max(newest, ...copies.map((copy) => copy.view.promised)) + 1,
    term: Math.max(...copies.map((copy) => copy.view.term)) + 1,
    dropped,
    lacked: lackedBy(view, copies),
  };
}
