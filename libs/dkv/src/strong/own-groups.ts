/** Which groups a node has a member in, and who votes in a group before it has an entry. */
import { type ClassNote } from '../cluster/class-birth.js';
import { type ClusterView } from '../cluster/cluster-view.js';
import { type Namespaces } from '../cluster/namespaces.js';
import { type Configuration, NO_CONFIGURATION, nodeOf } from '../model/raft-messages.js';
import { type StoredGroup } from './stored-group.js';

export interface OwnGroup {
  readonly number: number;
  /** The nodes of the group, the preferred leader first. */
  readonly list: readonly string[];
}

export const NOTHING_STORED: StoredGroup = {
  state: undefined,
  hardState: undefined,
  entries: [],
  resetAt: 0,
  generation: 0,
};

/** The numbers of copies that strong namespaces have. */
export function copiesOfNamespaces(namespaces: Namespaces): readonly number[] {
  const classes = new Set<number>();
  for (const { mode, copies } of namespaces) {
    if (mode === 'strong') {
      classes.add(copies);
    }
  }
  return [...classes];
}

/** One for each partition that the node holds, of those with so many copies. */
export function ownGroups(view: ClusterView, copies: number): readonly OwnGroup[] {
  const groups: OwnGroup[] = [];
  const first = view.firstOf(copies);
  for (let number = first; number < first + view.ring.partitions; number++) {
    const list = view.listOf(number);
    if (list.includes(view.selfId)) {
      groups.push({ number, list });
    }
  }
  return groups;
}

/** The first voters of a group, where they are known. */
export function firstConfiguration(list: readonly string[], { members, isBorn }: ClassNote): Configuration {
  const voters = list.map((nodeId) => members.find((member) => nodeOf(member) === nodeId));
  return isBorn && voters.every((voter) => voter !== undefined)
    ? { voters, outgoing: [], learners: [] }
    : NO_CONFIGURATION;
}
