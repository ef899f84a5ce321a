/** What a data folder says of its node and of each of its groups, read without changing it. */
import { type ClusterNote, clusterNoteOf, firstOfClass, NO_CLUSTER } from '../../cluster/cluster-note.js';
import { CLASSES_META, type ClassNotes } from '../../cluster/class-birth.js';
import { notedConfiguration } from '../../cluster/cluster-configuration.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP } from '../../model/membership.js';
import { type Configuration, type LogEntry, NO_CONFIGURATION } from '../../model/raft-messages.js';
import { type NodeStorage } from '../../storage/node-storage.js';
import {
  damageOf,
  type OfflineFolder,
  type OfflineOptions,
  offlineFolder,
  openOffline,
} from '../../storage/offline-storage.js';
import { incarnationOf, previousIncarnationsOf } from '../../strong/incarnation.js';
import { firstConfiguration } from '../../strong/own-groups.js';
import { promisesOf } from '../../strong/recovery-promises.js';
import {
  newestConfigurationOf,
  positionOf,
  type StoredPosition,
  strayOf,
  withoutStray,
} from '../../strong/stored-group.js';

/** Of one group, in one folder. */
export interface GroupView extends StoredPosition {
  readonly number: number;
  /** The newest that the folder knows. */
  readonly configuration: Configuration;
  readonly term: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The highest generation that the node has promised to a recovery; 0 for none. */
  readonly promised: number;
  /** What the log has behind a gap that a lost segment left: of no use, and kept where the group goes on elsewhere. */
  readonly stray: readonly LogEntry[];
}

export interface FolderView {
  readonly folder: OfflineFolder;
  /** The data folder. */
  readonly where: string;
  readonly nodeId: string;
  readonly engine: string;
  /** '' where the node has not joined one. */
  readonly clusterId: string;
  /** All nodes of the cluster, as far as the folder tells. */
  readonly nodeIds: readonly string[];
  /** '' where the node never started. */
  readonly incarnation: string;
  readonly previousIncarnations: readonly string[];
  readonly logPosition: number;
  readonly damage: { readonly file: string; readonly offset: number; readonly what: string } | undefined;
  /** Why the node starts as another voter; undefined where it does not. */
  readonly forgot: string | undefined;
  readonly groups: ReadonlyMap<number, GroupView>;
}

/** @throws DkvError `DKV_STORE_LOCKED` while a process has it open, `DKV_STORE_MISMATCH`, `DKV_STORAGE_FAILED` */
export async function inspectFolder(dataDir: string, options: OfflineOptions): Promise<FolderView> {
  return inspect(await offlineFolder({ ...options, dataDir }), options);
}

/** Of a folder that was found. */
export async function inspect(folder: OfflineFolder, options: OfflineOptions): Promise<FolderView> {
  const storage = await openOffline(folder, options, true);
  try {
    return await viewOf(folder, storage);
  } finally {
    await storage.close();
  }
}

/** The member that the folder's node was when it stopped. */
export function memberOf({ nodeId, incarnation }: Pick<FolderView, 'nodeId' | 'incarnation'>): string {
  return `${nodeId}@${incarnation}`;
}

async function viewOf(folder: OfflineFolder, storage: NodeStorage): Promise<FolderView> {
  const { local, log, forgot } = storage;
  const { nodeId } = folder.identity;
  const cluster = await clusterNoteOf(local);
  const notedClasses = await local.getMeta(CLASSES_META);
  const classes = notedClasses === undefined ? {} : (JSON.parse(notedClasses) as ClassNotes);
  const configuration = await notedConfiguration(local);
  const promises = await promisesOf(local);
  const groups = new Map<number, GroupView>();
  for (const [number, stored] of storage.groups) {
    const position = positionOf(withoutStray(stored));
    const last = position.tail.at(-1);
    // Where the folder does not tell on which nodes the group is, its voters are not known, and it is left as it is.
    const born =
      configuration && position.generation === 1
        ? birthConfiguration(nodeId, cluster, classes, configuration, number)
        : NO_CONFIGURATION;
    groups.set(number, {
      ...position,
      number,
      configuration: newestConfigurationOf(position) ?? born,
      term: Math.max(position.hardState?.term ?? 0, position.appliedTerm, last?.term ?? 0),
      lastIndex: last?.index ?? position.applied,
      lastTerm: last?.term ?? position.appliedTerm,
      promised: promises.get(number)?.generation ?? 0,
      stray: strayOf(stored),
    });
  }
  const damage = await damageOf(folder);
  return {
    folder,
    where: folder.home.where,
    nodeId,
    engine: folder.engine,
    clusterId: cluster.isBorn ? cluster.clusterId : '',
    nodeIds: configuration?.members.map((member) => member.nodeId) ?? [nodeId],
    incarnation: (await incarnationOf(local)) ?? '',
    previousIncarnations: await previousIncarnationsOf(local),
    logPosition: log.position,
    damage,
    forgot,
    groups,
  };
}

/** Who votes in a group that nothing was written to yet: as its nodes know it from its birth. */
function birthConfiguration(
  nodeId: string,
  cluster: ClusterNote,
  classes: ClassNotes,
  { partitions }: ClusterConfiguration,
  number: number,
): Configuration {
  const placement = Math.floor(number / partitions);
  const note =
    number === CONFIGURATION_GROUP
      ? cluster
      : (firstOfClass(cluster, placement) ?? classes[placement] ?? NO_CLUSTER);
  return firstConfiguration(nodeId, number, { ...note, isBorn: true });
}
