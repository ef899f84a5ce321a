/** How the configuration of a cluster changes, step by step, from one epoch to the next: pure, so that every step can be tried. */
import { Hashring } from '../hashring/hashring.js';
import {
  type AgreedNamespace,
  type ClusterConfiguration,
  type Member,
  type MemberChange,
  type MembershipChange,
  type Move,
  type PlacementClass,
} from '../model/membership.js';
import { type RingNode } from '../model/node.js';
import { type HashFunc } from '../ports/hash-func.js';
import { keepersAfter } from './cluster-configuration.js';
import { byPreferredZone } from './preferred-zones.js';

/** Which partition is on which node does not depend on it. */
const ANY_HASH: HashFunc = Object.freeze({ name: 'any', hash: () => 0 });

/**
 * The next epoch: members, classes and namespaces after the changes, and where partitions are to be then. Undefined where nothing
 * differs.
 */
export function withChanges(
  before: ClusterConfiguration,
  changes: readonly MembershipChange[],
): ClusterConfiguration | undefined {
  const configuration = withNamespaces(
    before,
    changes.flatMap((change) => (change.kind === 'namespace' ? [change.namespace] : [])),
  );
  const members = changes.reduce(membersAfter, configuration.members);
  const classes = changes.reduce(classesAfter, configuration.classes);
  const preferredZones = changes.reduce(zonesAfter, configuration.preferredZones);
  const epoch = before.epoch + 1;
  const isPlacedAlike =
    members === configuration.members &&
    classes === configuration.classes &&
    isSame(preferredZones, configuration.preferredZones);
  if (isPlacedAlike) {
    return configuration === before ? undefined : { ...configuration, epoch };
  }
  const staying = members.filter(({ isLeaving }) => !isLeaving);
  // What moves already goes on to where it is to be, as far as those nodes stay.
  const lists = configuration.lists.map((list, place) => goalOf(configuration, place) ?? list);
  const { partitions } = configuration;
  const planned = [
    ...classes.flatMap(({ replicas }, row) =>
      listsAfter(lists.slice(row * partitions, (row + 1) * partitions), staying, replicas),
    ),
    keepersAfter(lists.at(-1)!, staying),
  ].map(byPreferredZone(preferredZones, staying));
  const target = configuration.lists.map((list, place) =>
    isSame(list, planned[place]!) ? list : planned[place]!,
  );
  const moving = configuration.moving.map((move) => {
    const before = configuration.target[move.place]!;
    const after = target[move.place]!;
    return isSame(before, after)
      ? move
      : { place: move.place, since: epoch, also: [...new Set([...move.also, ...before])] };
  });
  return settled({ ...configuration, epoch, preferredZones, members, classes, target, moving });
}

/** The same with those namespaces that it does not have yet, and partitions for them; the very same where it has all of them. */
export function withNamespaces(
  configuration: ClusterConfiguration,
  namespaces: readonly AgreedNamespace[],
): ClusterConfiguration {
  const isKnown = ({ name }: AgreedNamespace) =>
    configuration.namespaces.some((known) => known.name === name);
  const added = namespaces.filter(
    (namespace, index) =>
      !isKnown(namespace) && namespaces.findIndex(({ name }) => name === namespace.name) === index,
  );
  return added.length === 0
    ? configuration
    : {
        ...added.reduce(withClass, configuration),
        namespaces: [...configuration.namespaces, ...added].sort((one, other) =>
          one.name < other.name ? -1 : 1,
        ),
      };
}

/** Nothing is in the partitions of a class that is added: they are where they are to be. The keepers' list stays the last. */
function withClass(
  configuration: ClusterConfiguration,
  { placement }: AgreedNamespace,
): ClusterConfiguration {
  const { classes, lists, target, moving, members, partitions } = configuration;
  if (classes.some(({ number }) => number === placement)) {
    return configuration;
  }
  const replicas = placement - 1;
  const staying = members.filter(({ isLeaving }) => !isLeaving);
  const added = listsAfter(target.slice(0, partitions), staying, replicas);
  const keepers = lists.length - 1;
  const withAdded = (all: ClusterConfiguration['lists']) => [...all.slice(0, -1), ...added, all.at(-1)!];
  return {
    ...configuration,
    classes: [...classes, { number: placement, replicas }],
    lists: withAdded(lists),
    target: withAdded(target),
    moving: moving.map((move) =>
      move.place === keepers ? { ...move, place: keepers + added.length } : move,
    ),
  };
}

function listsAfter(
  lists: ClusterConfiguration['lists'],
  nodes: readonly RingNode[],
  replicas: number,
): ClusterConfiguration['lists'] {
  const ring = Hashring.following(lists, nodes, { replicas, hashFunc: ANY_HASH });
  return lists.map((_, partition) => ring.preferenceList(partition));
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

/**
 * The next epoch: whoever reads or writes in eventual namespaces counts copies of both lists of these from now on. Undefined where
 * none of them moves without doing so.
 */
export function withJoint(
  configuration: ClusterConfiguration,
  places: readonly number[],
): ClusterConfiguration | undefined {
  const epoch = configuration.epoch + 1;
  const isNext = ({ place, joint }: Move) => joint === undefined && places.includes(place);
  return configuration.moving.some(isNext)
    ? {
        ...configuration,
        epoch,
        moving: configuration.moving.map((move) => (isNext(move) ? { ...move, joint: epoch } : move)),
      }
    : undefined;
}

/**
 * The next epoch: without the members that leave, have no copy, not even one that was on its way, keep no configuration, and have
 * handed over what they had.
 */
export function withoutLeft(
  configuration: ClusterConfiguration,
  hasHandedOver: (nodeId: string) => boolean,
): ClusterConfiguration | undefined {
  const { lists, target, moving } = configuration;
  const inUse = new Set([...lists, ...target, ...moving.map(({ also }) => also)].flat());
  const members = configuration.members.filter(
    ({ nodeId, isLeaving }) => !isLeaving || inUse.has(nodeId) || !hasHandedOver(nodeId),
  );
  return members.length === configuration.members.length
    ? undefined
    : { ...configuration, epoch: configuration.epoch + 1, members };
}

/** Where one is moving to; undefined where it is not moving. */
export function goalOf(
  { moving, target }: Pick<ClusterConfiguration, 'moving' | 'target'>,
  place: number,
): readonly string[] | undefined {
  return moving.some((move) => move.place === place) ? target[place] : undefined;
}

/** The same array where nothing differs. */
function classesAfter(
  classes: readonly PlacementClass[],
  change: MembershipChange,
): readonly PlacementClass[] {
  const { placement, replicas } = change.kind === 'replicas' ? change : { placement: -1, replicas: 0 };
  return classes.some(({ number, replicas: before }) => number === placement && before !== replicas)
    ? classes.map((known) => (known.number === placement ? { ...known, replicas } : known))
    : classes;
}

function zonesAfter(zones: readonly string[], change: MembershipChange): readonly string[] {
  return change.kind === 'preferredZones' ? change.zones : zones;
}

function membersAfter(members: readonly Member[], change: MembershipChange): readonly Member[] {
  const isOfOne =
    change.kind !== 'replicas' && change.kind !== 'namespace' && change.kind !== 'preferredZones';
  return isOfOne ? changedBy(members, change) : members;
}

function changedBy(members: readonly Member[], change: MemberChange): readonly Member[] {
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

/** A list that differs in its order alone is in that order at once: nothing moves for it. */
function settled(configuration: ClusterConfiguration): ClusterConfiguration {
  const { target } = configuration;
  const lists = configuration.lists.map((list, place) => {
    const isThere = goalOf(configuration, place) === undefined && hasSameNodes(list, target[place]!);
    return isThere ? target[place]! : list;
  });
  return { ...configuration, lists };
}

function hasSameNodes(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((nodeId) => other.includes(nodeId));
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((nodeId, rank) => nodeId === other[rank]);
}
