/** The options by which a cluster gets and loses members. */
import { IsIn, IsOptional } from 'class-validator';
import { says, Whole } from './dkv.option-decorators.js';

export const JOINS = ['automatic', 'manual'] as const;
export type Join = (typeof JOINS)[number];

const YEAR_MS = 365 * 86_400_000;

export class DkvMembershipOptions {
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
}

export const MEMBERSHIP_DEFAULTS = {
  join: 'automatic',
  memberRemovalMs: 30 * 60_000,
  transfersMax: 4,
} as const satisfies DkvMembershipOptions;
