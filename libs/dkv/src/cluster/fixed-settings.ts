/** What nodes must have alike to talk to each other at all, since it stays as it was when the cluster was made. */
import { createHash } from 'node:crypto';
import { type ClusterConfiguration } from '../model/membership.js';

/** What else nodes must have alike: where leaders have leases, how long voters wait for these. */
export function sharedSettings(options: {
  readonly leaseReads: boolean;
  readonly electionTimeoutMs: number;
}): string {
  return options.leaseReads ? `+leases${options.electionTimeoutMs}` : '';
}

/**
 * Equal for all epochs of a cluster: how the hash space is cut. Not who is a member, nor how many copies there are: nodes hear of
 * that from each other.
 * @param settings see {@link sharedSettings}
 */
export function fixedFingerprintOf({ partitions, hashFunc }: ClusterConfiguration, settings: string): string {
  const digest = createHash('sha256').update(JSON.stringify([partitions, hashFunc]));
  return digest.digest('hex').slice(0, 16) + settings;
}

/** Why a node with another fingerprint is not listened to. @param both the two nodes, for people */
export function unlikeSettings(both: string): string {
  return (
    `${both} were started with different partitions or another hash function, or with leaseReads and not alike in it or in ` +
    'electionTimeoutMs. Give every node the same configuration.'
  );
}

/** Why a node is not listened to that is neither a member nor a guest. @param here the node that knows it not, for people */
export function strangerTo(here: string, nodeId: string): string {
  return (
    `Node ${nodeId} is no member of the cluster as ${here} knows it. Nodes that make a cluster together must be given the ` +
    'same members; a later one must be taken in first.'
  );
}

/** Why no cluster is made with a node that would make another one. */
export function ofAnotherCluster(nodeId: string, clusterId: string, ownClusterId: string): string {
  return (
    `Node ${nodeId} belongs to another cluster (${clusterId}) than this node (${ownClusterId}): two clusters never merge. Give ` +
    'each cluster its own addresses, and each node its own data folder.'
  );
}

export function unlikeCluster(nodeId: string): string {
  return (
    `Node ${nodeId} and this node would make a cluster of different members, weights, zones, preferredZones or replicas. Give every node the ` +
    'same configuration.'
  );
}
