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

/** The numbers of copies that strong namespaces ask for. */
export function copiesOfNamespaces(namespaces: Namespaces): readonly number[] {
  const classes = new Set<number>();
  for (const { mode, copies } of namespaces) {
    if (mode === 'strong') {
      classes.add(copies);
    }
  }
  return [...classes];
}

/** Those of partitions that this node holds, or is to hold, of namespaces that ask for so many copies. */
export function ownGroups(view: ClusterView, copies: number): readonly number[] {
  const first = view.firstOf(copies);
  return Array.from({ length: view.slices }, (_, slice) => first + slice).filter((number) =>
    view.nodesOf(number).includes(view.selfId),
  );
}

/**
 * The first voters of a group, where they are known, and where the node is one of them: others are taken in by the log.
 * @param copies that the group's namespaces ask for; of the configuration there are as many as it has keepers
 */
export function firstConfiguration(
  nodeId: string,
  number: number,
  copies: number,
  { members, lists, isBorn }: ClassNote,
): Configuration {
  const slices = lists.length - 1;
  const list = keepsConfiguration(number) ? lists[slices] : lists[number % slices]?.slice(0, copies);
  const voters = (list ?? []).map((place) => members[place]!);
  const isFirst = isBorn && voters.some((voter) => nodeOf(voter) === nodeId);
  return isFirst ? { voters, outgoing: [], learners: [] } : NO_CONFIGURATION;
}
