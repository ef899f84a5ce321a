/** What nodes say while a disk is full: one text, so that it reads alike in both modes and in the health of a node. */

/** Without the dot. `disk` begins it: "its disk". */
export function fullDisk(disk: string): string {
  return `${disk} is full: it takes nothing but removes until there is room`;
}

export function fullDiskOf(nodeId: string): string {
  return `${fullDisk(`The disk of node ${nodeId}`)}.`;
}
