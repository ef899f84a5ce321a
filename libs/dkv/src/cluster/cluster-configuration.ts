/** The agreed configuration of a cluster: its members, and which of them hold which partition. Every node keeps it on its disk. */
import { createHash } from 'node:crypto';
import { DkvError } from '../dkv.errors.js';
import { type Hashring } from '../hashring/hashring.js';
import { type ClusterConfiguration, type Member, type PlacementClass } from '../model/membership.js';
import { type ClusterNode } from '../model/node.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { byPreferredZone } from './preferred-zones.js';

/** As it is kept: lists have the places of their nodes in `members`, and `target` has those alone that differ. */
interface Note extends Omit<ClusterConfiguration, 'lists' | 'target' | 'preferredZones'> {
  /** Absent in those that were kept before there were such. */
  readonly preferredZones?: readonly string[];
  readonly lists: readonly (readonly number[])[];
  readonly target: readonly (readonly [place: number, list: readonly number[]])[];
}

/** Keepers of the configuration at most: the loss of two of five is survived. */
const KEEPERS_MAX = 5;
/** Under which name it is kept. */
const CONFIGURATION_META = 'configuration';
type Meta = Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;

/** Of a cluster that is to be made. @param nodes those of the ring, with their addresses */
export function configurationOf(
  ring: Hashring,
  nodes: readonly ClusterNode[],
  preferredZones: readonly string[] = [],
): ClusterConfiguration {
  const members = ring.nodes.map((node) => ({
    ...nodes.find(({ nodeId }) => nodeId === node.nodeId)!,
    ...node,
  }));
  const { partitions, replicas, hashFunc } = ring;
  const lists = [
    ...Array.from({ length: partitions }, (_, partition) => ring.preferenceList(partition)),
    keepersAfter([], members),
  ].map(byPreferredZone(preferredZones, members));
  return {
    epoch: 0,
    clusterId: '',
    hashFunc: hashFunc.name,
    partitions,
    preferredZones,
    classes: [{ number: 0, replicas }],
    namespaces: [],
    members,
    lists,
    target: lists,
    moving: [],
  };
}

/** The same lists, by the places that their nodes have among these. */
export function placesIn(
  nodeIds: readonly string[],
  lists: readonly (readonly string[])[],
): readonly (readonly number[])[] {
  const placeOf = new Map(nodeIds.map((nodeId, place) => [nodeId, place]));
  return lists.map((list) => list.map((nodeId) => placeOf.get(nodeId)!));
}

/** The cluster's own class: what counts where nothing else is said. */
export function ownClass({ classes }: Pick<ClusterConfiguration, 'classes'>): PlacementClass {
  return classes[0]!;
}

/** 16 hex digits over all that decides, before a cluster is born, where a key goes. */
export function fingerprintOf(configuration: ClusterConfiguration): string {
  const { hashFunc, partitions, preferredZones, members, lists } = configuration;
  const placing = [preferredZones, members.map(({ nodeId, weight, zone }) => [nodeId, weight, zone])];
  const own = [...lists.slice(0, partitions), lists.at(-1)];
  return createHash('sha256')
    .update(JSON.stringify([hashFunc, ownClass(configuration).replicas, placing, own]))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Who keeps the configuration among those that stay: who did, and then nodes of zones that have none yet, by id. An even number
 * of voters survives the loss of no more of them than one less.
 */
export function keepersAfter(before: readonly string[], staying: readonly Member[]): readonly string[] {
  const zoneOf = new Map(staying.map(({ nodeId, zone }) => [nodeId, zone === '' ? `node ${nodeId}` : zone]));
  const odd = staying.length > 2 && staying.length % 2 === 0 ? staying.length - 1 : staying.length;
  const wanted = Math.min(KEEPERS_MAX, odd);
  const keepers = before.filter((nodeId) => zoneOf.has(nodeId)).slice(0, wanted);
  while (keepers.length < wanted) {
    const zones = new Set(keepers.map((nodeId) => zoneOf.get(nodeId)));
    const others = staying.filter(({ nodeId }) => !keepers.includes(nodeId));
    keepers.push((others.find(({ nodeId }) => !zones.has(zoneOf.get(nodeId))) ?? others[0]!).nodeId);
  }
  return keepers;
}

/** The newest that was kept; undefined in a new folder. @throws DkvError `DKV_STORE_MISMATCH` where it cannot be read */
export async function notedConfiguration(
  meta: Pick<Meta, 'getMeta'>,
): Promise<ClusterConfiguration | undefined> {
  const text = await meta.getMeta(CONFIGURATION_META);
  try {
    return text === undefined ? undefined : configurationFrom(text);
  } catch (cause) {
    throw new DkvError('DKV_STORE_MISMATCH', "The folder's note of the cluster's configuration is damaged.", {
      cause,
    });
  }
}

/** As it is kept, by folders and by the group that the cluster agrees on it with. */
export function textOf(configuration: ClusterConfiguration): string {
  return JSON.stringify(toNote(configuration));
}

/** @throws an error of any kind for what {@link textOf} did not make */
export function configurationFrom(text: string): ClusterConfiguration {
  return fromNote(JSON.parse(text) as Note);
}

/** The same with the members that are among `nodes` at the addresses which those have. */
export function relocated(
  configuration: ClusterConfiguration,
  nodes: readonly ClusterNode[],
): ClusterConfiguration {
  const members = configuration.members.map((member) => {
    const { host, port } = nodes.find(({ nodeId }) => nodeId === member.nodeId) ?? member;
    return { ...member, host, port };
  });
  return { ...configuration, members };
}

/** Keeps where members listen now; of those that are not among `nodes`, where they did. */
export async function noteAddresses(meta: Meta, nodes: readonly ClusterNode[]): Promise<void> {
  const noted = await notedConfiguration(meta);
  if (noted) {
    await noteConfiguration(meta, relocated(noted, nodes));
  }
}

/** Keeps it for the next start, unless it is kept as it is. */
export async function noteConfiguration(meta: Meta, configuration: ClusterConfiguration): Promise<void> {
  const text = textOf(configuration);
  if ((await meta.getMeta(CONFIGURATION_META)) !== text) {
    await meta.putMeta(CONFIGURATION_META, text);
  }
}

function toNote({ lists, target, ...rest }: ClusterConfiguration): Note {
  const nodeIds = rest.members.map(({ nodeId }) => nodeId);
  const targets = placesIn(nodeIds, target);
  const differing = target.flatMap((list, place) =>
    list === lists[place] ? [] : [[place, targets[place]!] as const],
  );
  return { ...rest, lists: placesIn(nodeIds, lists), target: differing };
}

/** @throws TypeError where a list names no member */
function fromNote(note: Note): ClusterConfiguration {
  const { members, preferredZones = [] } = note;
  const named = (list: readonly number[]) => list.map((place) => members[place]!.nodeId);
  const lists = note.lists.map(named);
  const target = [...lists];
  for (const [place, list] of note.target) {
    target[place] = named(list);
  }
  return { ...note, preferredZones, lists, target };
}
