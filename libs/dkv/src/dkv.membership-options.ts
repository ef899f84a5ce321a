/** The options by which a cluster gets and loses members. */
import { IsIn, IsOptional } from 'class-validator';
import { Accepts, says, Whole } from './dkv.option-decorators.js';
import { areZones, PREFERRED_ZONES_RULE } from './model/zones.js';

export const JOINS = ['automatic', 'manual'] as const;
export type Join = (typeof JOINS)[number];

/** Nodes that can make a cluster at once. */
const CLUSTER_SIZE_MAX = 1_000;
const MIB = 1024 * 1024;
const YEAR_MS = 365 * 86_400_000;

export class DkvMembershipOptions {
  /**
   * How many nodes must hear each other, with empty folders, before they make a new cluster: as many as are started at first. Later
   * nodes join it, and a node that has data never makes another. Fewer than you start let some of them, cut off from the rest, make a
   * cluster of their own. Default: the nodes of a static list, 1 without a discovery; any other discovery needs it.
   */
  @Whole(1, CLUSTER_SIZE_MAX, 'nodes')
  clusterSize?: number;

  /**
   * Zones whose nodes lead while they are fit, the best first: near the callers, say. Fixed when the cluster is made, changed
   * afterwards by `dkv zones`; all writes of a partition go through its leader, so these zones get more of the work.
   * Default: none, leaders are spread over all nodes.
   */
  @Accepts('preferredZones', areZones, `give ${PREFERRED_ZONES_RULE}`)
  preferredZones?: readonly string[];

  /**
   * How a node that has the cluster's key, and no data of another one, becomes a member: by itself, or when an operator admits it.
   * Default: `automatic`.
   */
  @IsOptional()
  @IsIn(JOINS, says(`give one of ${JOINS.join(', ')}`))
  join?: Join;

  /**
   * A member that is down for so long gives its copies to others, where most are up; when it is back it joins anew. Less moves data
   * for what would have come back; 0 for never. Default: 30 min.
   */
  @Whole(0, YEAR_MS, 'milliseconds')
  memberRemovalMs?: number;

  /** Partitions that move to other nodes at a time. More is sooner done, and takes more from callers. Default: 4. */
  @Whole(1, 1_000, 'partitions')
  transfersMax?: number;

  /**
   * Bytes that moves, the refilling of nodes and the repair of eventual copies may transfer each second, sent and received by this
   * node together. Higher is sooner done and crowds out callers; what takes long is open to the next failure. Default: 32 MiB.
   */
  @Whole(1024, 16_384 * MIB, 'bytes')
  transferBytesPerSecondMax?: number;
}

export const MEMBERSHIP_DEFAULTS = {
  join: 'automatic',
  memberRemovalMs: 30 * 60_000,
  transfersMax: 4,
  transferBytesPerSecondMax: 32 * MIB,
} as const satisfies DkvMembershipOptions;
