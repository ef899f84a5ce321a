/** A configuration as operators read it: what each member has and is to have, and what is on its way. */
import { type ClusterConfiguration } from '../model/membership.js';
import { ownClass } from './cluster-configuration.js';
import { partitionAt } from './partition-lists.js';
import { type MemberCopies, type MovesReport } from '../model/moves-report.js';
import { type CountedMoves } from '../ports/membership.js';

/** For each member, by id. */
export function memberCopiesOf(configuration: ClusterConfiguration): ReadonlyMap<string, MemberCopies> {
  const { members, lists, target, partitions } = configuration;
  const held = copiesIn(lists.slice(0, partitions));
  const toHold = copiesIn(target.slice(0, partitions));
  const keepers = lists.at(-1)!;
  return new Map(
    members.map(({ nodeId, isLeaving }) => [
      nodeId,
      {
        membership: isLeaving ? 'leaving' : 'member',
        copies: { held: held.get(nodeId) ?? 0, target: toHold.get(nodeId) ?? 0 },
        keepsConfiguration: keepers.includes(nodeId),
      },
    ]),
  );
}

export function movesReportOf(configuration: ClusterConfiguration, counted: CountedMoves): MovesReport {
  const { epoch, lists, target, moving } = configuration;
  const keepersPlace = lists.length - 1;
  const waiting = waitingIn(configuration);
  return {
    epoch,
    isSettled: moving.length + waiting === 0,
    copies: {
      asked: ownClass(configuration).replicas + 1,
      held: copiesHeldIn(configuration),
    },
    moving: moving.map(({ place, since }) => ({
      ...(place !== keepersPlace && { partition: partitionAt(configuration, place) }),
      from: lists[place]!,
      to: target[place]!,
      sinceEpoch: since,
      ...counted.of(place),
    })),
    waiting,
    progress: counted.whole,
    members: Array.from(memberCopiesOf(configuration), ([nodeId, copies]) => ({ nodeId, ...copies })),
  };
}

/** Fewest that a partition has, of namespaces that ask for no number. */
export function copiesHeldIn({ lists, partitions }: ClusterConfiguration): number {
  return Math.min(...lists.slice(0, partitions).map(({ length }) => length));
}

/** Lists that are to change and do not yet. */
export function waitingIn({ lists, target, moving }: ClusterConfiguration): number {
  const underWay = new Set(moving.map(({ place }) => place));
  return lists.filter((list, place) => list !== target[place] && !underWay.has(place)).length;
}

/** Places of lists that are not yet where they are to be, whether they move or wait. */
export function configurationPlacesToMove({ lists, target }: ClusterConfiguration): readonly number[] {
  return lists.flatMap((list, place) => (list === target[place] ? [] : [place]));
}

/** The last list is that of the keepers, who hold no partition for it. */
function copiesIn(lists: ClusterConfiguration['lists']): ReadonlyMap<string, number> {
  const copies = new Map<string, number>();
  for (const nodeId of lists.flat()) {
    copies.set(nodeId, (copies.get(nodeId) ?? 0) + 1);
  }
  return copies;
}
