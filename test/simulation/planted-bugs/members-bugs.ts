/** Protections of clusters whose members change, each taken away on purpose. */
import { Birth, type BirthServices } from '../../../libs/dkv/src/cluster/birth.js';
import { type ClusterNote } from '../../../libs/dkv/src/cluster/cluster-note.js';
import { type ClassNote } from '../../../libs/dkv/src/cluster/class-birth.js';
import { ClusterView } from '../../../libs/dkv/src/cluster/cluster-view.js';
import { type Namespace, Namespaces } from '../../../libs/dkv/src/cluster/namespaces.js';
import { type ClusterConfiguration } from '../../../libs/dkv/src/model/membership.js';
import { type ClusterNode } from '../../../libs/dkv/src/model/node.js';
import { type Configuration, nodeOf } from '../../../libs/dkv/src/model/raft-messages.js';
import { encodeConfiguration } from '../../../libs/dkv/src/raft/configuration-layout.js';
import { RaftGroup } from '../../../libs/dkv/src/raft/raft-group.js';
import { Leadership } from '../../../libs/dkv/src/raft/raft-leadership.js';
import { GivingUp } from '../../../libs/dkv/src/strong/giving-up.js';
import { type LeftBehind } from '../../../libs/dkv/src/strong/raft-states.js';
import { GroupBirths } from '../../../libs/dkv/src/strong/group-births.js';
import { type AppliedState } from '../../../libs/dkv/src/strong/group-state-layout.js';
import { Moves, type MoveServices } from '../../../libs/dkv/src/strong/membership/moves.js';
import { Newcomers } from '../../../libs/dkv/src/strong/membership/newcomers.js';
import { Planner } from '../../../libs/dkv/src/strong/membership/planner.js';
import { RequestTable } from '../../../libs/dkv/src/strong/request-table.js';
import { StrongGroup } from '../../../libs/dkv/src/strong/strong-group.js';
import { as, DIFFERENT, UNSAFE } from './broken-rules.js';
import {
  askForVoteAfterGivingUp,
  declareUnlike,
  giveUpLate,
  leadWithoutNews,
  lessenWithoutMajority,
  moveBesideSlowDisk,
  moveToOthers,
  moveWithoutMajority,
  planBesideOperator,
  startEmpty,
  wishAgain,
} from './members-runs.js';
import { type PlantedBug, replace, replaceGetter } from './plant.js';

/** What of a raft group a leader that skips the joint step needs. */
interface Reconfigurable {
  readonly mayPropose: boolean;
  mayReconfigure(): boolean;
  append(kind: 'configuration', data: Uint8Array): number;
  readonly leadership: Leadership;
  advanceCommit(): void;
}

interface MovesInside {
  readonly services: MoveServices;
  readonly begun: Map<number, LeftBehind>;
  goOn(number: number): void;
}

/** As if the folder did not know of a cluster yet, which it does or could. */
function unaware(self: unknown, forgets: boolean, step: () => void): void {
  const birth = as<{ cluster: ClusterNote; isNoting: boolean; services: { agreedCluster: () => string } }>(
    self,
  );
  const { services, cluster } = birth;
  birth.services = { ...services, agreedCluster: () => '' };
  birth.cluster = { ...cluster, isBorn: cluster.isBorn && !forgets };
  step();
  birth.services = services;
  if (!birth.isNoting) {
    birth.cluster = cluster;
  }
}

/** A leader goes to the new voters at once, and counts them alone. */
function skipJointStep(): void {
  replace<[Configuration], number | undefined>(RaftGroup, 'proposeConfiguration', (self, original, next) => {
    if (next.outgoing.length === 0) {
      return original(next);
    }
    const raft = as<Reconfigurable>(self);
    if (!raft.mayPropose || !raft.mayReconfigure()) {
      return undefined;
    }
    const alone = { ...next, outgoing: [] };
    const index = raft.append('configuration', encodeConfiguration(alone));
    raft.leadership.configure(alone);
    raft.advanceCommit();
    return index;
  });
}

export const MEMBERS_BUGS: readonly PlantedBug[] = [
  {
    protection: 'voters change by joint consensus',
    rules: UNSAFE,
    directed: moveWithoutMajority,
    plant: skipJointStep,
  },
  {
    protection: 'a learner does not vote',
    rules: UNSAFE,
    directed: moveWithoutMajority,
    plant: () =>
      replace<[Configuration], void>(Leadership, 'configure', (_, original, configuration) =>
        original({ ...configuration, voters: [...configuration.voters, ...configuration.learners] }),
      ),
  },
  {
    protection: 'a member that gave up its copy knows what it voted',
    rules: UNSAFE,
    plant: () =>
      replace<[LeftBehind], void>(StrongGroup, 'giveUp', (self, original, left) => {
        original(left);
        Object.assign(as<StrongGroup>(self).raft, { term: 0, vote: '' });
      }),
  },
  {
    protection: 'a member that gave up its copy knows how far the log went',
    rules: UNSAFE,
    directed: askForVoteAfterGivingUp,
    plant: () =>
      replace<[StrongGroup], Promise<unknown>>(GivingUp, 'voidLog', (_, original, group) => {
        Object.assign(group, { applied: 0, appliedTerm: 0 });
        return original(group);
      }),
  },
  {
    protection: 'a copy is given up on the word of the leader',
    rules: UNSAFE,
    directed: askForVoteAfterGivingUp,
    plant: () =>
      replace<[], void>(Moves, 'askToGiveUp', (self) => {
        const moves = as<MovesInside>(self);
        const { node, view } = moves.services;
        for (const group of node.groups.values()) {
          if (!view.nodesOf(group.number).includes(view.selfId)) {
            const { applied: index, appliedTerm: term, configuration } = group.appliedUpTo;
            moves.begun.set(group.number, { index, term, configuration });
            moves.goOn(group.number);
          }
        }
      }),
  },
  {
    protection: 'a copy that is wanted again is not given up',
    rules: UNSAFE,
    directed: giveUpLate,
    plant: () =>
      replace<[{ group: number } & LeftBehind], void>(Moves, 'giveUp', (self, _, { group, ...left }) => {
        const moves = as<MovesInside>(self);
        moves.begun.set(group, left);
        moves.goOn(group);
      }),
  },
  {
    protection: 'a configuration is gone by when it is agreed on',
    rules: ['divergence'],
    directed: planBesideOperator,
    plant: () =>
      replace<[ClusterConfiguration, string], Promise<boolean>>(
        Planner,
        'write',
        (self, original, configuration, expected) => {
          as<{ services: { view: ClusterView } }>(self).services.view.adopt(configuration);
          return original(configuration, expected);
        },
      ),
  },
  {
    protection: 'nobody works for an older epoch than the log has',
    rules: ['copies'],
    directed: leadWithoutNews,
    plant: () => replace<[number], boolean>(ClusterView, 'isBehind', () => false),
  },
  {
    protection: 'records are shown once the snapshot is whole',
    rules: DIFFERENT,
    plant: () => replaceGetter<boolean>(StrongGroup, 'isWhole', () => true),
  },
  {
    protection: 'a snapshot has the table of requests',
    rules: DIFFERENT,
    plant: () =>
      replace<[number, AppliedState, number], void>(
        StrongGroup,
        'install',
        (_, original, index, state, wholeFrom) =>
          original(index, { ...state, requests: new RequestTable() }, wholeFrom),
      ),
  },
  {
    protection: 'an empty folder that meets a cluster makes none',
    rules: ['two clusters'],
    directed: startEmpty,
    plant: () => {
      replaceGetter(Birth, 'knowsCluster', () => false);
      replaceGetter(Birth, 'seen', (self) => {
        const { selfId, self: member, shownIds, directory } = as<{ services: BirthServices }>(self).services;
        return shownIds().map((nodeId) => (nodeId === selfId ? member : directory().find(nodeId)!.member));
      });
      replace<[], void>(Birth, 'tick', (self, original) => unaware(self, false, original));
      replace<unknown[], void>(Birth, 'receiveBirth', (self, original, ...message) =>
        unaware(self, true, () => original(...message)),
      );
    },
  },
  {
    protection: 'who votes first is as the cluster was born',
    rules: UNSAFE,
    directed: moveToOthers,
    plant: () =>
      replace<[number, ClassNote], void>(GroupBirths, 'addGroup', (self, original, number, born) => {
        const { view } = as<{ parts: { view: ClusterView } }>(self).parts;
        const nodeIds = born.members.map(nodeOf);
        const lists = view.agreed.target.map((list) =>
          list.map((nodeId) => nodeIds.indexOf(nodeId)).filter((place) => place >= 0),
        );
        original(number, { ...born, lists });
      }),
  },
  {
    protection: 'a partition goes to its goal when all that are new there have caught up',
    rules: ['copies'],
    directed: moveBesideSlowDisk,
    plant: () =>
      replace<[string], number | undefined>(RaftGroup, 'matchOf', (self, original, member) => {
        const { learners } = as<RaftGroup>(self).configuration;
        const matches = learners.map((learner) => original(learner) ?? 0);
        return learners.includes(member) ? Math.max(...matches) : original(member);
      }),
  },
  {
    protection: 'a wish of before a membership is none',
    rules: ['membership'],
    directed: wishAgain,
    plant: () =>
      replace<[ClusterNode, number], void>(Newcomers, 'receive', (self, original, node, wishes) => {
        const { view } = as<{ services: { view: ClusterView } }>(self).services;
        original(node, wishes === 0 ? 0 : view.epoch);
      }),
  },
  {
    protection: 'fewer copies are agreed on by a majority of those that were',
    rules: UNSAFE,
    directed: lessenWithoutMajority,
    plant: skipJointStep,
  },
  {
    protection: 'a namespace that the cluster has otherwise is of no use',
    rules: ['divergence'],
    directed: declareUnlike,
    plant: () =>
      replace<[ClusterConfiguration, string], unknown>(
        Namespaces,
        'follow',
        (self, original, configuration, selfId) => {
          const refused = original(configuration, selfId);
          const { declared, known } = as<Record<'declared' | 'known', Map<string, Namespace>>>(self);
          declared.forEach((namespace, name) => known.set(name, known.get(name) ?? namespace));
          return refused;
        },
      ),
  },
  {
    protection: 'the number of a partition does not depend on the number of copies',
    rules: ['liveness', 'lost-write', 'linearizability'],
    plant: () =>
      replace<[number], number>(ClusterView, 'firstOf', (self, original, placement) => {
        const { replicas } = as<ClusterView>(self).agreed.classes[0]!;
        return original(placement) + (placement === 0 ? (replicas % 2) * as<ClusterView>(self).slices : 0);
      }),
  },
];
