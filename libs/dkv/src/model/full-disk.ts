/** What nodes say that take nothing but removes: one text, so that it reads alike in answers and in the health of a node. */

/** Without the dot. `disk` begins it: "its disk". */
export function fullDisk(disk: string): string {
  return `${disk} is full: it takes nothing but removes until there is room`;
}

export function fullDiskOf(nodeId: string): string {
  return `${fullDisk(`The disk of node ${nodeId}`)}.`;
}

/** `node` begins it: "it", "Node a". */
export function failedStore(node: string, failure: Error): string {
  return `${node} takes nothing but removes until it is started again: ${failure.message}`;
}
