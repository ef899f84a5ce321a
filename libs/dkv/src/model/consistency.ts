/** Modes of a namespace, and the levels a caller may ask for. */

/** `strong`: one order of writes, by a log per partition; `eventual`: always writable, conflicts are merged. */
export const NAMESPACE_MODES = ['strong', 'eventual'] as const;
export type NamespaceMode = (typeof NAMESPACE_MODES)[number];

/**
 * `one`: this node's copy, else the nearest; `quorum`: a majority of the key's nodes, sees every write that a
 * majority acknowledged; `linearizable`: the same by another name, of strong namespaces alone.
 */
export const READ_LEVELS = ['one', 'quorum', 'linearizable'] as const;
export type ReadLevel = (typeof READ_LEVELS)[number];

/** How many of the key's nodes must hold a write durably before it is acknowledged. */
export const WRITE_LEVELS = ['one', 'quorum', 'all'] as const;
export type WriteLevel = (typeof WRITE_LEVELS)[number];

/** The number of copies that `level` asks for of `copies`. */
export function copiesNeeded(level: ReadLevel | WriteLevel, copies: number): number {
  switch (level) {
    case 'one':
      return 1;
    case 'quorum':
    case 'linearizable':
      return majorityOf(copies);
    case 'all':
      return copies;
  }
}

export function majorityOf(copies: number): number {
  return Math.floor(copies / 2) + 1;
}
