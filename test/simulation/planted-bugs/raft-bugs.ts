/** Protections of one Raft group, each taken away on purpose. */
import {
  type Configuration,
  type LogEntry,
  type RaftMessage,
} from '../../../libs/dkv/src/model/raft-messages.js';
import { type RaftConfigurations } from '../../../libs/dkv/src/raft/raft-configurations.js';
import { RaftElection } from '../../../libs/dkv/src/raft/raft-election.js';
import { RaftFollower } from '../../../libs/dkv/src/raft/raft-follower.js';
import { RaftGroup, type RaftOutput } from '../../../libs/dkv/src/raft/raft-group.js';
import { Leadership } from '../../../libs/dkv/src/raft/raft-leadership.js';
import { RaftLog } from '../../../libs/dkv/src/raft/raft-log.js';
import { Progress } from '../../../libs/dkv/src/raft/raft-progress.js';
import { RaftReplica } from '../../../libs/dkv/src/raft/raft-replica.js';
import { type RaftVotes } from '../../../libs/dkv/src/raft/raft-votes.js';
import { PROTOCOL } from './broken-rules.js';
import { type PlantedBug, replace, replaceGetter } from './plant.js';

type Append = RaftMessage & { readonly type: 'append' };
interface Replica {
  readonly log: RaftLog;
  readonly configurations: RaftConfigurations;
  readonly commit: number;
  commitTo(index: number): void;
  truncate(index: number): void;
}
const as = <T>(self: unknown) => self as T;

/** Only the configuration that is entered counts. */
const entered = (configuration: Configuration): Configuration => ({ ...configuration, outgoing: [] });

export const RAFT_BUGS: readonly PlantedBug[] = [
  {
    protection: 'a member votes once a term',
    rules: PROTOCOL,
    plant: () => replace<[string], boolean>(RaftElection, 'mayGrantVote', () => true),
  },
  {
    protection: 'only a member with all that may be committed is elected',
    rules: PROTOCOL,
    plant: () => replace<[number, number], boolean>(RaftElection, 'isUpToDate', () => true),
  },
  {
    protection: 'a majority of votes elects',
    rules: PROTOCOL,
    plant: () => replace<[RaftVotes], boolean>(RaftElection, 'isElected', () => true),
  },
  {
    protection: 'votes and acknowledgements leave when they are durable',
    rules: [...PROTOCOL, 'early-message'],
    plant: () =>
      replace<[{ announceCommit: boolean }], RaftOutput>(RaftGroup, 'takeOutput', (_, original, options) => {
        const output = original(options);
        return { ...output, messages: [...output.messages, ...output.durableMessages], durableMessages: [] };
      }),
  },
  {
    protection: 'a leader sends nothing before its term is durable',
    rules: ['early-message'],
    plant: () => replaceGetter<boolean>(Leadership, 'maySendBeforeDurable', () => true),
  },
  {
    protection: 'a leader counts its own copy once that is durable',
    rules: PROTOCOL,
    plant: () =>
      replace<[], number>(Leadership, 'quorumIndex', (self, original) => {
        const { own, log } = as<{ own: Progress; log: RaftLog }>(self);
        own.match = log.lastIndex;
        return original();
      }),
  },
  {
    protection: 'a leader whose append failed steps down',
    rules: [...PROTOCOL, 'crash'],
    plant: () =>
      replace<[], void>(RaftGroup, 'appendFailed', (self, original) => {
        const follow = self.follow!;
        self.follow = () => undefined;
        original();
        self.follow = follow;
      }),
  },
  {
    protection: 'a follower appends only behind an entry that it has',
    rules: PROTOCOL,
    plant: () =>
      replace<[number, number], boolean>(
        RaftReplica,
        'isConsistent',
        (self, _, index) => as<Replica>(self).log.termAt(index) !== undefined,
      ),
  },
  {
    protection: 'a late message takes no entries away',
    rules: [...PROTOCOL, 'crash'],
    plant: () =>
      replace<[Append], number>(RaftReplica, 'receive', (self, original, message) => {
        const index = original(message);
        if (index >= 0 && index < as<Replica>(self).log.lastIndex) {
          as<Replica>(self).truncate(index + 1);
        }
        return index;
      }),
  },
  {
    protection: 'a follower commits only what the message has shown to be equal',
    rules: PROTOCOL,
    plant: () =>
      replace<[Append], number>(RaftReplica, 'receive', (self, original, message) => {
        const index = original(message);
        as<Replica>(self).commitTo(message.commit);
        return index;
      }),
  },
  {
    protection: 'a heartbeat commits only what its receiver is known to have',
    rules: PROTOCOL,
    plant: () =>
      replace<[Progress, number, unknown[]], void>(
        Leadership,
        'announce',
        (self, _, peer, commit, messages) => {
          messages.push({ to: peer.member, message: { type: 'heartbeat', term: self.term, commit } });
        },
      ),
  },
  {
    protection: 'a joint configuration commits with both majorities',
    rules: PROTOCOL,
    plant: () =>
      replace<[Configuration], void>(Leadership, 'configure', (_, original, configuration) =>
        original(entered(configuration)),
      ),
  },
  {
    protection: 'one configuration changes at a time',
    rules: PROTOCOL,
    plant: () => replace<[], boolean>(RaftGroup, 'mayReconfigure', () => true),
  },
  {
    protection: 'a rejection by a member with a later log beginning is understood',
    rules: ['liveness'],
    plant: () =>
      replace<[string, number, number, number], void>(
        Leadership,
        'rejected',
        (_, original, from, prevIndex, hintIndex, hintTerm) => {
          if (hintIndex <= prevIndex) {
            original(from, prevIndex, hintIndex, hintTerm);
          }
        },
      ),
  },
  {
    protection: 'what nobody answered is asked again',
    rules: ['liveness'],
    plant: () => replace<[], void>(Progress, 'probeAgain', () => undefined),
  },
  {
    protection: 'a leader of the past is told of the present',
    rules: ['liveness'],
    plant: () => replace<[string, RaftMessage], void>(RaftFollower, 'tellTerm', () => undefined),
  },
  {
    protection: 'entries follow each other in the log',
    rules: ['crash', ...PROTOCOL],
    plant: () =>
      replace<[], readonly LogEntry[]>(RaftLog, 'handOut', (_, original) => original().slice(0, 1)),
  },
];
