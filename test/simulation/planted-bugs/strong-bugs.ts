/** Protections of strong namespaces, each taken away on purpose. */
import { RaftGroup, type RaftOutput } from '../../../libs/dkv/src/raft/raft-group.js';
import { Leadership as RaftLeadership } from '../../../libs/dkv/src/raft/raft-leadership.js';
import { RaftReplica } from '../../../libs/dkv/src/raft/raft-replica.js';
import { LogWriter } from '../../../libs/dkv/src/storage/log/log-writer.js';
import { type AppliedState } from '../../../libs/dkv/src/strong/group-state-layout.js';
import { GroupReads } from '../../../libs/dkv/src/strong/group-reads.js';
import { GroupWrites } from '../../../libs/dkv/src/strong/group-writes.js';
import { Leadership } from '../../../libs/dkv/src/strong/leadership.js';
import { LogFloors } from '../../../libs/dkv/src/strong/log-floors.js';
import { PeerRun } from '../../../libs/dkv/src/strong/peer-run.js';
import { ReadRounds } from '../../../libs/dkv/src/strong/read-rounds.js';
import { NumberedList } from '../../../libs/dkv/src/model/numbered-list.js';
import { RequestTable, type RequestStanding } from '../../../libs/dkv/src/strong/request-table.js';
import { notApplied } from '../../../libs/dkv/src/strong/call-ends.js';
import { StrongCalls } from '../../../libs/dkv/src/strong/strong-calls.js';
import { StrongGroup } from '../../../libs/dkv/src/strong/strong-group.js';
import { InboundFrames } from '../../../libs/dkv/src/strong/inbound-frames.js';
import { Proposals } from '../../../libs/dkv/src/strong/proposals.js';
import { BoundedClock } from '../../../libs/dkv/src/cluster/bounded-clock.js';
import { SimDisk } from '../../../libs/dkv/testing/simulation/sim-disk.js';
import { SimInode } from '../../../libs/dkv/testing/simulation/sim-folder.js';
import {
  answerEarlierRun,
  loseBothCopies,
  readAtStaleLeader,
  readBesideFollower,
  stepDown,
} from './directed.js';
import { type PlantedBug, replace, replaceGetter } from './plant.js';
import { as, DIFFERENT, UNSAFE, WRONG } from './broken-rules.js';

interface Answered {
  answer(slot: number, answer: unknown): void;
}
interface Append {
  readonly prevIndex: number;
  readonly entries: readonly unknown[];
  durable: number;
}
interface Asked {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}
export const STRONG_BUGS: readonly PlantedBug[] = [
  {
    protection: 'votes and acknowledgements leave when they are durable',
    rules: [...UNSAFE, ...WRONG],
    plant: () =>
      replace<[{ announceCommit: boolean }], RaftOutput>(RaftGroup, 'takeOutput', (_, original, options) => {
        const output = original(options);
        return { ...output, messages: [...output.messages, ...output.durableMessages], durableMessages: [] };
      }),
  },
  {
    protection: 'a leader counts its own copy once that is durable',
    rules: UNSAFE,
    plant: () =>
      replace<[], number>(RaftLeadership, 'quorumIndex', (self, original) => {
        const { own, log } = as<{ own: { match: number }; log: { lastIndex: number } }>(self);
        own.match = log.lastIndex;
        return original();
      }),
  },
  {
    protection: 'what was synced is on the medium',
    rules: [...UNSAFE, ...DIFFERENT, 'crash', 'liveness'],
    plant: () =>
      replace<[number], void>(SimInode, 'sync', (_, original, count) => original(Math.min(count, 0))),
  },
  {
    protection: 'a leader whose append failed steps down',
    rules: [...UNSAFE, ...DIFFERENT, 'crash'],
    plant: () =>
      replace<[], void>(RaftGroup, 'appendFailed', (self, original) => {
        const { follow } = self;
        self.follow = () => undefined;
        original();
        self.follow = follow!;
      }),
  },
  {
    protection: 'a new segment begins with the votes of all groups',
    rules: [...UNSAFE, 'crash'],
    plant: () =>
      replace<[], Promise<void>>(LogWriter, 'begin', (self, original) => {
        as<{ hardStates: Map<number, unknown> }>(self).hardStates.clear();
        return original();
      }),
  },
  {
    protection: 'the engine has synced what leaves the log',
    rules: [...UNSAFE, ...DIFFERENT, 'crash', 'liveness'],
    plant: () =>
      replace<[number], void>(SimDisk, 'sync', (_, original, count) =>
        count === Infinity ? original(count) : undefined,
      ),
  },
  {
    protection: 'a checkpoint says which entries its records show',
    rules: [...UNSAFE, ...DIFFERENT, 'crash', 'liveness'],
    plant: () =>
      replace<[], { applied: number }>(StrongGroup, 'state', (_, original) => {
        const state = original();
        return { ...state, applied: state.applied > 3 ? state.applied + 1 : state.applied };
      }),
  },
  {
    protection: 'a leader decides and reads once its first entry is applied',
    rules: [...UNSAFE, ...DIFFERENT],
    plant: () => replaceGetter<boolean>(RaftGroup, 'isReady', (self) => self.leadership !== undefined),
  },
  {
    protection: 'a leader tells followers what of its own log is durable',
    rules: WRONG,
    directed: loseBothCopies,
    plant: () =>
      replace<[Append], number>(RaftReplica, 'receive', (_, original, message) => {
        const index = original(message);
        message.durable = message.prevIndex + message.entries.length;
        return index;
      }),
  },
  {
    protection: 'a linearizable read shows what a follower may have committed by itself',
    rules: WRONG,
    directed: readBesideFollower,
    plant: () =>
      replaceGetter<number>(RaftGroup, 'readIndex', (self) => (self as unknown as RaftGroup).commit),
  },
  {
    protection: 'a linearizable read is confirmed by a majority',
    rules: WRONG,
    directed: () => readAtStaleLeader(false),
    plant: () =>
      replace<[unknown, (isConfirmed: boolean) => void], void>(ReadRounds, 'confirm', (_, __, ___, done) =>
        done(true),
      ),
  },
  {
    protection: 'a peer confirms as who follows this node in the group, in this term',
    rules: WRONG,
    directed: () => readAtStaleLeader(true),
    plant: () => replace<unknown[], boolean>(InboundFrames, 'follows', () => true),
  },
  {
    protection: 'an answer goes to the process run that asked',
    rules: WRONG,
    directed: answerEarlierRun,
    plant: () => replaceGetter<boolean>(PeerRun, 'isOver', () => false),
  },
  {
    protection: 'an answer that writes nothing is confirmed',
    rules: WRONG,
    plant: () =>
      replace<[number, Answered, number, () => unknown], void>(
        GroupReads,
        'confirm',
        (_, __, ___, asker, slot, answer) => asker.answer(slot, answer()),
      ),
  },
  {
    protection: 'what an answer rests on is applied',
    rules: [...WRONG, 'expiry'],
    plant: () =>
      replace<[number, Answered, number, () => void], void>(
        GroupReads,
        'afterApplied',
        (_, __, ___, ____, _____, run) => run(),
      ),
  },
  {
    protection: 'a leader decides against what it has proposed',
    rules: WRONG,
    plant: () =>
      replace<[string, string], unknown>(GroupWrites, 'newest', (self, _, namespace, key) => {
        const { services, group } = as<{
          services: { store: { peek(...name: unknown[]): unknown } };
          group: StrongGroup;
        }>(self);
        return services.store.peek(group.number, namespace, key);
      }),
  },
  {
    protection: 'what was written while a record was read counts, not what was read',
    rules: WRONG,
    plant: () =>
      replace<[unknown, { current?: unknown } | undefined], void>(
        GroupWrites,
        'decideNow',
        (self, original, cold, loaded) => {
          const { newest } = self;
          if (loaded) {
            self.newest = () => loaded.current ?? null;
          }
          original(cold, loaded);
          if (loaded) {
            self.newest = newest!;
          }
        },
      ),
  },
  {
    protection: 'a request takes effect once',
    rules: [...DIFFERENT, 'crash'],
    plant: () => replace<unknown[], RequestStanding>(RequestTable, 'standingOf', () => 'new'),
  },
  {
    protection: 'a cancel is judged when it is applied',
    rules: WRONG,
    plant: () =>
      replace<[Answered, number, never, never], void>(
        GroupWrites,
        'cancel',
        (self, original, asker, slot, request, names) => {
          const { group } = as<{ group: StrongGroup }>(self);
          if (group.leads && group.requests.standingOf(request) === 'new') {
            asker.answer(slot, { type: 'cancelled', index: group.applied });
          } else {
            original(asker, slot, request, names);
          }
        },
      ),
  },
  {
    protection: 'an answer without an entry is fenced when the question was sent twice',
    rules: WRONG,
    plant: () => {
      replace<[Asked, { type: string }], void>(StrongCalls, 'fence', (self, _, call, answer) => {
        self.end!(call);
        if (answer.type === 'done') {
          call.resolve(answer);
        } else {
          call.reject(notApplied('key'));
        }
      });
      replace<[Asked, unknown], void>(StrongCalls, 'retry', (self, _, call) =>
        self.fence!(call, { type: 'refused' }),
      );
    },
  },
  {
    protection: 'a node reads what it wrote',
    rules: ['own-writes'],
    plant: () => replace<unknown[], void>(LogFloors, 'raise', () => undefined),
  },
  {
    protection: 'a value is gone from its expiry on',
    rules: ['expiry'],
    plant: () => replace<unknown[], boolean>(StrongGroup, 'shows', () => true),
  },
  {
    protection: 'a clock that is ahead is held back',
    rules: ['expiry', 'log-time'],
    plant: () =>
      replace<[], number>(BoundedClock, 'nowMs', (self) => {
        const { clock } = as<{ clock: { now(): number } }>(self);
        return clock.now() + 5_000;
      }),
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
    protection: 'a snapshot is as of its first page',
    rules: [...UNSAFE, ...DIFFERENT, 'liveness', 'crash'],
    plant: () =>
      replace<[number, AppliedState, number], void>(
        StrongGroup,
        'install',
        (_, original, index, state, wholeFrom) => original(index + 1, state, wholeFrom),
      ),
  },
  {
    protection: 'a leader that steps down is known to do so',
    rules: ['liveness'],
    directed: stepDown,
    plant: () => {
      replace<unknown[], void>(Leadership, 'ledBy', () => undefined);
      replace<unknown[], void>(Leadership, 'checkLeaders', () => undefined);
    },
  },
  {
    protection: 'a lost node is campaigned for',
    rules: ['liveness'],
    plant: () => replace<unknown[], void>(Leadership, 'nodeLost', () => undefined),
  },
  {
    protection: 'what was answered is forgotten',
    rules: ['bounds', 'divergence'],
    plant: () => replace<unknown[], void>(NumberedList, 'dropBelow', () => undefined),
  },
  {
    protection: 'proposals that are applied are done',
    rules: ['bounds', ...WRONG],
    plant: () => replace<unknown[], void>(Proposals, 'dropFirst', () => undefined),
  },
];
