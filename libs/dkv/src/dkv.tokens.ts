/** Injection tokens of what has no class or port of its own. */

/** The resolved, frozen options: `DkvOptions`. */
export const DKV_OPTIONS = Symbol('DkvOptions');
/** The nodes that discovery told at boot: `readonly ClusterNode[]`. */
export const DKV_NODES = Symbol('DkvNodes');
/** The Prometheus registry that holds every metric of the module. */
export const DkvRegistry = Symbol('DkvRegistry');
