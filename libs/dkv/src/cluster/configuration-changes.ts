/** How the configuration of a cluster changes, step by step, from one epoch to the next: pure, so that every step can be tried. */
import { Hashring } from '../hashring/hashring.js';
import { type ClusterConfiguration, type Member, type MembershipChange } from '../model/membership.js';
import { type HashFunc } from '../ports/hash-func.js';
import { keepersAfter } from './cluster-configuration.js';
import { byPreferredZone } from './preferred-zones.js';

/** Which partition is on which node does not depend on it. */
const ANY_HASH: HashFunc = Object.freeze({ name: 'any', hash: () => 0 });

/** The next epoch: the members after the changes, and where partitions are to be then. Undefined where nothing differs. */
export function withChanges(
  configuration: ClusterConfiguration,
  changes: readonly MembershipChange[],
): ClusterConfiguration | undefined {
  const members = changes.reduce(membersAfter, configuration.members);
  const preferredZones = changes.reduce(zonesAfter, configuration.preferredZones);
  if (members === configuration.members && isSame(preferredZones, configuration.preferredZones)) {
    return undefined;
  }
  const staying = members.filter(({ isLeaving }) => !isLeaving);
  // What moves already goes on to where it is to be, as far as those nodes stay.
  const lists = configuration.lists.map((list, place) => goalOf(configuration, place) ?? list);
  const partitions = lists.slice(0, -1);
  const ring = Hashring.following(partitions, staying, {
    replicas: configuration.replicas,
    hashFunc: ANY_HASH,
  });
  const planned = [
    ...partitions.map((_, partition) => ring.preferenceList(partition)),
    keepersAfter(lists.at(-1)!, staying),
  ].map(byPreferredZone(preferredZones, staying));
  const target = configuration.lists.map((list, place) =>
    isSame(list, planned[place]!) ? list : planned[place]!,
  );
  const epoch = configuration.epoch + 1;
  const moving = configuration.moving.map((move) => {
    const before = configuration.target[move.place]!;
    const after = target[move.place]!;
    return isSame(before, after)
      ? move
      : { ...move, since: epoch, also: [...new Set([...move.also, ...before])] };
  });
  return settled({ ...configuration, epoch, preferredZones, members, target, moving });
}

/** The next epoch: more move, until so many do at once. Undefined where none is to, or enough do. */
export function withMoves(
  configuration: ClusterConfiguration,
  movesMax: number,
): ClusterConfiguration | undefined {
  const { lists, target } = configuration;
  const since = configuration.epoch + 1;
  const moving = [...configuration.moving];
  // The keepers first: a node that leaves is needed for one thing less.
  for (let place = lists.length - 1; place >= 0 && moving.length < movesMax; place--) {
    if (lists[place] !== target[place] && goalOf(configuration, place) === undefined) {
      moving.push({ place, since, also: [] });
    }
  }
  return moving.length === configuration.moving.length
    ? undefined
    : { ...configuration, epoch: configuration.epoch + 1, moving };
}

/** The next epoch: these are where they were to be, and nowhere else. Undefined where none of them moved. */
export function withMoved(
  configuration: ClusterConfiguration,
  places: readonly number[],
): ClusterConfiguration | undefined {
  const done = new Set(places.filter((place) => goalOf(configuration, place) !== undefined));
  if (done.size === 0) {
    return undefined;
  }
  const lists = configuration.lists.map((list, place) =>
    done.has(place) ? configuration.target[place]! : list,
  );
  const moving = configuration.moving.filter(({ place }) => !done.has(place));
  return settled({ ...configuration, epoch: configuration.epoch + 1, lists, moving });
}

/** Where one is moving to; undefined where it is not moving. */
export function goalOf(
  { moving, target }: Pick<ClusterConfiguration, 'moving' | 'target'>,
  place: number,
): readonly string[] | undefined {
  return moving.some((move) => move.place === place) ? target[place] : undefined;
}

function zonesAfter(zones: readonly string[], change: MembershipChange): readonly string[] {
  return change.kind === 'preferredZones' ? change.zones : zones;
}

function membersAfter(members: readonly Member[], change: MembershipChange): readonly Member[] {
  if (change.kind === 'preferredZones') {
    return members;
  }
  if (change.kind === 'join') {
    const { node } = change;
    const isMember = members.some(({ nodeId }) => nodeId === node.nodeId);
    return isMember
      ? replaced(members, node.nodeId, stayingAgain)
      : [...members, node].sort((one, other) => (one.nodeId < other.nodeId ? -1 : 1));
  }
  return replaced(members, change.nodeId, (member) => {
    switch (change.kind) {
      case 'leave':
        return member.isLeaving ? member : { ...member, isLeaving: true };
      case 'stay':
        return stayingAgain(member);
      case 'weight':
        return member.weight === change.weight ? member : { ...member, weight: change.weight };
      case 'zone':
        return member.zone === change.zone ? member : { ...member, zone: change.zone };
    }
  });
}

function stayingAgain(member: Member): Member {
  const { isLeaving, ...staying } = member;
  return isLeaving ? staying : member;
}

/** The same array where nothing differs. */
function replaced(
  members: readonly Member[],
  nodeId: string,
  by: (member: Member) => Member,
): readonly Member[] {
  const changed = members.map((member) => (member.nodeId === nodeId ? by(member) : member));
  return changed.every((member, place) => member === members[place]) ? members : changed;
}

/**
 * Without what has nothing to do any more: a list that differs in its order alone is in that order at once, since nothing moves
 * for it, and a member that leaves is none once it has no copy, not even one that was on its way, and keeps no configuration.
 */
function settled(configuration: ClusterConfiguration): ClusterConfiguration {
  const { target, members } = configuration;
  const lists = configuration.lists.map((list, place) => {
    const isThere = goalOf(configuration, place) === undefined && hasSameNodes(list, target[place]!);
    return isThere ? target[place]! : list;
  });
  const inUse = new Set([...lists, ...target, ...configuration.moving.map(({ also }) => also)].flat());
  return {
    ...configuration,
    lists,
    members: members.filter(({ nodeId, isLeaving }) => !isLeaving || inUse.has(nodeId)),
  };
}

function hasSameNodes(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((nodeId) => other.includes(nodeId));
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((nodeId, rank) => nodeId === other[rank]);
}
