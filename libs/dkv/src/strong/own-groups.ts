/** Which groups a node has a member in, and who votes in a group before it has an entry. */
import { type ClassNote } from '../cluster/class-birth.js';
import { type ClusterView } from '../cluster/cluster-view.js';
import { type Namespaces } from '../cluster/namespaces.js';
import { keepsConfiguration } from '../model/membership.js';
import { type Configuration, NO_CONFIGURATION, nodeOf } from '../model/raft-messages.js';
import { type StoredGroup } from './stored-group.js';

export const NOTHING_STORED: StoredGroup = {
  state: undefined,
  hardState: undefined,
  entries: [],
  resetAt: 0,
  generation: 0,
};

/** The classes of strong namespaces. */
export function strongClasses(namespaces: Namespaces): readonly number[] {
  const classes = new Set<number>();
  for (const { mode, placement } of namespaces) {
    if (mode === 'strong') {
      classes.add(placement);
    }
  }
  return [...classes];
}

/** Those of the partitions of a class that this node holds, or is to hold. */
export function ownGroups(view: ClusterView, placement: number): readonly number[] {
  const first = view.firstOf(placement);
  return Array.from({ length: view.slices }, (_, slice) => first + slice).filter((number) =>
    view.nodesOf(number).includes(view.selfId),
  );
}

/**
 * The first voters of a group, where they are known, and where the node is one of them: others are taken in by the log.
 * @param note of the group's class, or of the configuration
 */
export function firstConfiguration(
  nodeId: string,
  number: number,
  { members, lists, isBorn }: ClassNote,
): Configuration {
  const list = keepsConfiguration(number) ? lists.at(-1) : lists[number % lists.length];
  const voters = (list ?? []).map((place) => members[place]!);
  const isFirst = isBorn && voters.some((voter) => nodeOf(voter) === nodeId);
  return isFirst ? { voters, outgoing: [], learners: [] } : NO_CONFIGURATION;
}
