/** The agreed configuration of a cluster: its members, and which of them hold which partition. Every node keeps it on its disk. */
import { createHash } from 'node:crypto';
import { DkvError } from '../dkv.errors.js';
import { type Hashring } from '../hashring/hashring.js';
import { type ClusterNode } from '../model/node.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';

export interface ClusterConfiguration {
  /** Rises with every change; 1 is the cluster as it was made. */
  readonly epoch: number;
  /** By its name. */
  readonly hashFunc: string;
  readonly replicas: number;
  /** Sorted by id, where they listened last. */
  readonly members: readonly ClusterNode[];
  /** For each partition the ids of the nodes that hold it, the holder first. */
  readonly lists: readonly (readonly string[])[];
}

/** As it is kept: lists have the places of their nodes in `members`. */
interface Note extends Omit<ClusterConfiguration, 'lists'> {
  readonly lists: readonly (readonly number[])[];
}

/** Under which name it is kept. */
const CONFIGURATION_META = 'configuration';
type Meta = Pick<LocalKvRepo, 'getMeta' | 'putMeta'>;

/** Of a cluster that is made. @param nodes those of the ring, with their addresses */
export function configurationOf(ring: Hashring, nodes: readonly ClusterNode[]): ClusterConfiguration {
  const members = ring.nodes.map((node) => ({
    ...nodes.find(({ nodeId }) => nodeId === node.nodeId)!,
    ...node,
  }));
  const { partitions, replicas, hashFunc } = ring;
  const lists = Array.from({ length: partitions }, (_, partition) => ring.preferenceList(partition));
  return { epoch: 1, hashFunc: hashFunc.name, replicas, members, lists };
}

/** 16 hex digits over all that decides where a key goes. */
export function fingerprintOf({ hashFunc, replicas, members, lists }: ClusterConfiguration): string {
  const placing = members.map(({ nodeId, weight, zone }) => [nodeId, weight, zone]);
  return createHash('sha256')
    .update(JSON.stringify([hashFunc, replicas, placing, lists]))
    .digest('hex')
    .slice(0, 16);
}

/** The newest that was kept; undefined in a new folder. @throws DkvError `DKV_STORE_MISMATCH` where it cannot be read */
export async function notedConfiguration(
  meta: Pick<Meta, 'getMeta'>,
): Promise<ClusterConfiguration | undefined> {
  const text = await meta.getMeta(CONFIGURATION_META);
  try {
    return text === undefined ? undefined : fromNote(JSON.parse(text) as Note);
  } catch (cause) {
    throw new DkvError('DKV_STORE_MISMATCH', "The folder's note of the cluster's configuration is damaged.", {
      cause,
    });
  }
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
  const text = JSON.stringify(toNote(configuration));
  if ((await meta.getMeta(CONFIGURATION_META)) !== text) {
    await meta.putMeta(CONFIGURATION_META, text);
  }
}

function toNote({ lists, ...rest }: ClusterConfiguration): Note {
  const placeOf = new Map(rest.members.map(({ nodeId }, place) => [nodeId, place]));
  return { ...rest, lists: lists.map((list) => list.map((nodeId) => placeOf.get(nodeId)!)) };
}

/** @throws TypeError where a list names no member */
function fromNote(note: Note): ClusterConfiguration {
  const { members } = note;
  return { ...note, lists: note.lists.map((list) => list.map((place) => members[place]!.nodeId)) };
}
