/** What the checkers may call it when a protection is gone. */
/** What any break of the protocol of one group may look like. */
export const PROTOCOL = [
  'election-safety',
  'log-matching',
  'leader-completeness',
  'state-machine-safety',
  'append-only',
  'commit-without-majority',
];
/** What a break of the log, or of who leads it, may look like. */
export const UNSAFE = [...PROTOCOL, 'forgotten'];
/** What clients see of a break. */
export const WRONG = [
  'linearizability',
  'count',
  'phantom',
  'own-writes',
  'uncommitted',
  'restamp',
  'monotone-version',
];
export const DIFFERENT = ['divergence', 'bounds', ...WRONG];

/** What is private to a class, for a planted bug to look at. */
export const as = <T>(self: unknown) => self as T;
