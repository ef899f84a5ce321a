/** Which cluster a node starts in: the one that its folder notes, or, before it is born, the one that discovery shows. */
import { clusterNoteOf } from '../cluster/cluster-note.js';
import {
  configurationOf,
  notedConfiguration,
  noteConfiguration,
  ownClass,
  relocated,
} from '../cluster/cluster-configuration.js';
import { DkvError } from '../dkv.errors.js';
import { type DkvOptions } from '../dkv.options.js';
import { Hashring } from '../hashring/hashring.js';
import { type ClusterConfiguration, CONFIGURATION_GROUP, PLACEMENTS_MAX } from '../model/membership.js';
import { type ClusterNode } from '../model/node.js';
import { type Clock } from '../ports/clock.js';
import { type Discovery } from '../ports/discovery.js';
import { type HashFunc } from '../ports/hash-func.js';
import { type LocalKvRepo } from '../ports/local-kv-repo.js';
import { type Logger } from '../ports/logger.js';
import { assertCanForm, firstNodesOf } from './first-nodes.js';
import { createNodeStorage } from '../storage/create-node-storage.js';
import { type NodeStorage } from '../storage/node-storage.js';

/** The nodes that discovery told of, or why it told of none. */
export type Discovered =
  | { readonly nodes: readonly ClusterNode[]; readonly error?: undefined; readonly own?: undefined }
  /** `own`: where this node will announce itself, whatever was noted of it. */
  | { readonly nodes?: undefined; readonly error: unknown; readonly own?: ClusterNode };

export interface OpenedNode {
  readonly storage: NodeStorage;
  readonly configuration: ClusterConfiguration;
  /** This node as discovery shows it, else as it was noted last, else as its options have it. */
  readonly own: ClusterNode;
}

/** Asked before a folder is opened: what is wrong with the options leaves no folder behind. @throws DkvError `DKV_INVALID_OPTIONS` */
export async function discover(options: DkvOptions, discovery: Discovery): Promise<Discovered> {
  const { nodeId, partitions } = options;
  // All numbers of partitions are below that of the last group.
  if (partitions > CONFIGURATION_GROUP) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      `partitions is ${partitions}: give at most ${CONFIGURATION_GROUP}.`,
    );
  }
  const { hasFixedNodes } = firstNodesOf(options);
  let nodes: readonly ClusterNode[];
  try {
    nodes = await discovery.getNodes();
  } catch (error) {
    return { error, ...(discovery.isRegistry && { own: optionsNode(options) }) };
  }
  if (discovery.isRegistry) {
    // What it tells of this node is of a former process: this one registers when it listens.
    return { nodes: [...nodes.filter((node) => node.nodeId !== nodeId), optionsNode(options)] };
  }
  if (!hasFixedNodes) {
    return { nodes: withOwn(nodes, optionsNode(options)) };
  }
  if (!nodes.some((node) => node.nodeId === nodeId)) {
    throw new DkvError(
      'DKV_INVALID_OPTIONS',
      `nodeId is ${JSON.stringify(nodeId)}, which discovery does not know: it told ` +
        `${nodes.map((node) => node.nodeId).join(', ') || 'no node'}. Set nodeId to one of them, or add this node.`,
    );
  }
  return { nodes };
}

/**
 * Opens what the node keeps, and finds out which cluster that belongs to; closes it where that fails, since nobody else would.
 * @throws DkvError as `createNodeStorage` and {@link clusterAtStart}
 */
export async function openNode(
  options: DkvOptions,
  discovered: Discovered,
  hashFunc: HashFunc,
  clock: Clock,
  logger: Logger,
): Promise<OpenedNode> {
  const { nodeId, partitions } = options;
  const identity = { nodeId, partitions, copies: PLACEMENTS_MAX, hashFunc: hashFunc.name };
  const storage = await createNodeStorage(identity, { ...options, clock, logger });
  try {
    const configuration = await clusterAtStart(options, discovered, hashFunc, storage.local, logger);
    return { storage, configuration, own: ownNode(options, discovered, configuration) };
  } catch (error) {
    await storage.close();
    throw error;
  }
}

/**
 * Of a node whose cluster is born, the folder's note counts: discovery tells where its members listen now, not who they are, and what
 * differs in the options is a warning. Where discovery tells nothing, the node starts with the addresses that it noted last. Before
 * that, options may still be corrected.
 * @throws what discovery threw, where the cluster is not born yet
 */
export async function clusterAtStart(
  options: DkvOptions,
  { nodes: found, error, own }: Discovered,
  hashFunc: HashFunc,
  local: Pick<LocalKvRepo, 'getMeta' | 'putMeta'>,
  logger: Logger,
): Promise<ClusterConfiguration> {
  const noted = await notedConfiguration(local);
  if (!noted || !(await clusterNoteOf(local)).isBorn) {
    if (!found) {
      throw error;
    }
    assertCanForm(options);
    const made = madeOf(found, options, hashFunc);
    await noteConfiguration(local, made);
    return made;
  }
  if (!found) {
    logger.warn(
      `Discovery tells nothing: ${(error as Error).message} The node starts with the addresses that it noted last: ` +
        `${noted.members.map(({ nodeId, host, port }) => `${nodeId} at ${host}:${port}`).join(', ')}.`,
    );
    return own ? relocated(noted, [own]) : noted;
  }
  warnOfDifferences(noted, found, options, logger);
  const configuration = relocated(noted, found);
  await noteConfiguration(local, configuration);
  return configuration;
}

/** The cluster that these nodes would make. */
export function madeOf(
  nodes: readonly ClusterNode[],
  { partitions, replicas, preferredZones }: Pick<DkvOptions, 'partitions' | 'replicas' | 'preferredZones'>,
  hashFunc: HashFunc,
): ClusterConfiguration {
  return configurationOf(Hashring.of(nodes, { partitions, replicas, hashFunc }), nodes, preferredZones);
}

/** A discovery whose nodes announce themselves does not show this one before. */
export function withOwn(nodes: readonly ClusterNode[], own: ClusterNode): readonly ClusterNode[] {
  return nodes.some(({ nodeId }) => nodeId === own.nodeId) ? nodes : [...nodes, own];
}

function ownNode(
  options: DkvOptions,
  { nodes = [], own }: Discovered,
  { members }: ClusterConfiguration,
): ClusterNode {
  const known = [...nodes, ...members].find((node) => node.nodeId === options.nodeId);
  return own ?? known ?? optionsNode(options);
}

function optionsNode({ nodeId, hostname, peerPort, weight, zone }: DkvOptions): ClusterNode {
  return { nodeId, host: hostname, port: peerPort, weight, zone };
}

/** What places data counts when a cluster is made, and afterwards only as it was agreed on. */
function warnOfDifferences(
  noted: ClusterConfiguration,
  found: readonly ClusterNode[],
  { replicas, preferredZones }: DkvOptions,
  logger: Logger,
): void {
  const differences: string[] = [];
  const preferred = JSON.stringify(noted.preferredZones);
  if (preferredZones && JSON.stringify(preferredZones) !== preferred) {
    differences.push(`preferredZones ${preferred}, not ${JSON.stringify(preferredZones)}`);
  }
  const agreed = ownClass(noted).replicas;
  if (agreed !== replicas) {
    differences.push(`replicas ${agreed}, not ${replicas}`);
  }
  for (const { nodeId, weight, zone } of noted.members) {
    const given = found.find((node) => node.nodeId === nodeId) ?? { weight, zone };
    if (given.weight !== weight) {
      differences.push(`weight ${weight} of ${nodeId}, not ${given.weight}`);
    }
    if (given.zone !== zone) {
      differences.push(`zone ${JSON.stringify(zone)} of ${nodeId}, not ${JSON.stringify(given.zone)}`);
    }
  }
  if (differences.length > 0) {
    logger.warn(
      `The cluster goes by ${differences.join(', ')}: that is what counts. Give every node the same, or change it with ` +
        'npx -p nestjs-dkv dkv weight, zone, zones and replicas.',
    );
  }
}
