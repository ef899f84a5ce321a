/** Whose nodes come first in the list of a partition, and so lead it while they are fit: those of the zones that are preferred. */
import { type RingNode } from '../model/node.js';

/** Puts lists of nodes in the order of the zones, the best first; else the order stays, and a list that has it is given back itself. */
export function byPreferredZone(
  zones: readonly string[],
  nodes: readonly RingNode[],
): (list: readonly string[]) => readonly string[] {
  const rankOfZone = new Map(zones.map((zone, rank) => [zone, rank]));
  const rankOf = new Map(nodes.map(({ nodeId, zone }) => [nodeId, rankOfZone.get(zone) ?? zones.length]));
  const compare = (one: string, other: string) => rankOf.get(one)! - rankOf.get(other)!;
  return (list) => {
    const isInOrder = list.every((nodeId, place) => place === 0 || compare(list[place - 1]!, nodeId) <= 0);
    return isInOrder ? list : Object.freeze([...list].sort(compare));
  };
}
