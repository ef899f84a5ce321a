/** What `dkv` tells the shell: scripts depend on these numbers, so they never change. */

export const EXIT = {
  /** Done, or nothing was to be done. */
  done: 0,
  /** Something failed; the message says what. What was done is in the folders' `recover.log`. */
  failed: 1,
  /** An option is missing or wrong. */
  usage: 2,
  /** A folder is in use: stop its node first. */
  inUse: 3,
  /** Partitions stay without a majority: of some nodes nothing is known, or nothing is left to go on from. */
  undecided: 4,
  /** Not confirmed: nothing was changed. */
  declined: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
