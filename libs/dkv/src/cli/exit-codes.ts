/** What `dkv` tells the shell: scripts depend on these numbers, so they never change. `docs/cli.md` lists them. */

export const EXIT = {
  /** Done, or nothing was to be done. */
  done: 0,
  /** Something failed; the message says what. What was done to folders is in their `recover.log`. */
  failed: 1,
  /** An option or an argument is missing or wrong. */
  usage: 2,
  /** A folder is in use: stop its node first. */
  inUse: 3,
  /** Partitions stay without a majority: of some nodes nothing is known, or nothing is left to go on from. */
  undecided: 4,
  /** Not confirmed: nothing was changed. */
  declined: 5,
  /** The cluster serves, and something is amiss. */
  degraded: 6,
  /** The node that answered is not in service. */
  unready: 7,
  /** No node answered. */
  unreachable: 8,
  /** The node refused the admin key. */
  forbidden: 9,
  /** The key has no value. */
  noValue: 10,
  /** The key has not the version expected, or others change the members at the same time: nothing was changed. */
  conflict: 11,
  /** A write was sent and its outcome is not known: it may have taken effect. */
  indeterminate: 12,
  /** Something was found that somebody should mend. */
  findings: 13,
  /** What was waited for is not done within the time given; it goes on. */
  moving: 14,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
