/** Protections of strong namespaces, each taken away on purpose. */
import { Acceptor } from '../../../libs/dkv/src/consensus/acceptor.js';
import { type PromisedBallot, PromisedBallots } from '../../../libs/dkv/src/consensus/ballots.js';
import { Electorate } from '../../../libs/dkv/src/consensus/electorate.js';
import { Inspection } from '../../../libs/dkv/src/consensus/inspection.js';
import { Proposer } from '../../../libs/dkv/src/consensus/proposer.js';
import { AcceptPhase, PreparePhase } from '../../../libs/dkv/src/consensus/round.js';
import { type Promised, type Step } from '../../../libs/dkv/src/consensus/rules.js';
import { Settler } from '../../../libs/dkv/src/consensus/settler.js';
import { StrongRouter } from '../../../libs/dkv/src/consensus/strong-router.js';
import { EnvelopeGuard } from '../../../libs/dkv/src/cluster/envelope-guard.js';
import { VersionClock } from '../../../libs/dkv/src/cluster/version-clock.js';
import { EngineLocalKvRepo } from '../../../libs/dkv/src/local-kv/engine-local-kv-repo.js';
import { GroupCommit } from '../../../libs/dkv/src/local-kv/group-commit.js';
import { type HotKey } from '../../../libs/dkv/src/local-kv/hot-keys.js';
import { type StoreWrite } from '../../../libs/dkv/src/local-kv/open-store.js';
import { RecordStore } from '../../../libs/dkv/src/local-kv/record-store.js';
import { type RecordId } from '../../../libs/dkv/src/model/key.js';
import { type Accepted, type WriteOperation } from '../../../libs/dkv/src/model/peer-protocol.js';
import { type KvRecord } from '../../../libs/dkv/src/model/record.js';
import { NO_REQUESTS } from '../../../libs/dkv/src/model/request-window.js';
import { NO_VERSION, type VersionParts } from '../../../libs/dkv/src/model/version.js';
import { type KeyRound, type LocalKvRepo } from '../../../libs/dkv/src/ports/local-kv-repo.js';
import { type Deadline } from '../../../libs/dkv/src/cluster/deadline.js';
import { Forwarding } from '../../../libs/dkv/src/eventual/forwarding.js';
import { RequestIds } from '../../../libs/dkv/src/eventual/request-ids.js';
import { AntiEntropy } from '../../../libs/dkv/src/eventual/repair/anti-entropy.js';
import { HintedHandoff } from '../../../libs/dkv/src/eventual/repair/hinted-handoff.js';
import { ModelAcceptor } from '../../../libs/dkv/testing/simulation/key-protocol.js';
import { SimDisk } from '../../../libs/dkv/testing/simulation/sim-disk.js';
import { type PlantedBug, replace, replaceGetter } from './plant.js';

/** What any break of the rounds themselves looks like to the clients of a key. */
const WRONG_ORDER = ['uncommitted', 'linearizability', 'phantom', 'restamp', 'own-writes', 'divergence'];

type Rule = (round: KeyRound) => Step<unknown>;
type StepArguments = [RecordId, string, Rule];

const contextOf = (self: unknown) => (self as { context: { local: LocalKvRepo } }).context;

export const STRONG_BUGS: readonly PlantedBug[] = [
  {
    protection: 'a vote is stored before it is answered',
    rules: WRONG_ORDER,
    plant: () =>
      replace<StepArguments, Promise<unknown>>(Acceptor, 'step', async (self, original, id, ballot, rule) => {
        const step = rule(await contextOf(self).local.getRound(id));
        original(id, ballot, rule).catch(() => undefined);
        return step.answer;
      }),
  },
  {
    protection: 'what is stored is on the disk',
    rules: [...WRONG_ORDER, 'lost-write'],
    plant: () => replace<[number], void>(SimDisk, 'sync', () => {}),
  },
  {
    protection: 'a promise tells what was accepted',
    rules: WRONG_ORDER,
    plant: () =>
      replace<[unknown], Promise<Promised>>(Acceptor, 'prepare', async (_, original, ask) => ({
        ...(await original(ask)),
        accepted: undefined,
      })),
  },
  {
    protection: 'a round builds on the highest ballot that a majority accepted',
    rules: WRONG_ORDER,
    ofRounds: true,
    plant: () =>
      replaceGetter<Accepted | undefined>(PreparePhase, 'latest', (self) => {
        const granted = (self.granted as (Accepted | undefined)[]).filter(Boolean) as Accepted[];
        return granted.reduce<Accepted | undefined>(
          (low, accepted) => (low && low.ballot < accepted.ballot ? low : accepted),
          undefined,
        );
      }),
  },
  {
    protection: 'a majority of promises opens the second half',
    rules: WRONG_ORDER,
    ofRounds: true,
    plant: () =>
      replaceGetter<string>(PreparePhase, 'state', (self, original) =>
        (self.granted as unknown[]).length > 0 ? 'won' : original(),
      ),
  },
  {
    protection: 'a majority of votes decides',
    rules: WRONG_ORDER,
    ofRounds: true,
    plant: () =>
      replaceGetter<string>(AcceptPhase, 'state', (self, original) =>
        (self.votes as number) > 0 ? 'won' : original(),
      ),
  },
  {
    protection: 'a ballot carries one value: a promised one is dropped after anything but success',
    rules: WRONG_ORDER,
    plant: () =>
      replace<[string], PromisedBallot | undefined>(PromisedBallots, 'take', (self, original, key) => {
        const ballot = original(key);
        if (ballot) {
          self.keep!(key, ballot);
        }
        return ballot;
      }),
  },
  {
    protection: 'a ballot is of one node and one start alone',
    rules: [...WRONG_ORDER, 'liveness'],
    plant: () =>
      replace<[VersionParts], string>(VersionClock, 'format', (_, original, stamp) =>
        original({ ...stamp, physicalMs: stamp.physicalMs - (stamp.physicalMs % 512) }),
      ),
  },
  {
    protection: 'a read returns what a majority agrees on, or settles it',
    rules: WRONG_ORDER,
    plant: () =>
      replace<[RecordId, Deadline], Promise<unknown>>(
        Inspection,
        'agreement',
        async (self, _original, id, deadline) => {
          const nodes = self.bestFirst!(id.partition) as string[];
          const { answers } = (await self.askAll!(nodes.slice(0, 2), id, deadline)) as {
            answers: { ballot: string; record?: KvRecord; nodeId: string }[];
          };
          const best = answers.sort((a, b) => (a.ballot < b.ballot ? 1 : -1))[0];
          return best ? { agreed: (await self.fetch!(best, id, deadline)) ?? undefined } : {};
        },
      ),
  },
  {
    protection: '"not applied" is told only of what was fenced out',
    rules: WRONG_ORDER,
    ofRounds: true,
    plant: () =>
      replace<unknown[], Promise<unknown>>(
        Proposer,
        'round',
        async (_, original, ...args) => (await original(...args)) ?? { kind: 'not-applied' },
      ),
  },
  {
    protection: 'a request is remembered by the record: tried again, it takes effect once',
    rules: WRONG_ORDER,
    ofRounds: true,
    plant: () =>
      replace<[unknown, KvRecord | undefined, string], unknown>(
        Proposer,
        'decide',
        (_, original, attempt, current, version) =>
          original(attempt, current && { ...current, requests: NO_REQUESTS }, version),
      ),
  },
  {
    protection: 'a write whose proposer fell silent is resolved, not proposed as another',
    rules: WRONG_ORDER,
    plant: () => {
      replace<[WriteOperation, readonly string[], Deadline, unknown], Promise<unknown>>(
        StrongRouter,
        'resolve',
        async (self, original, operation, others, deadline, silence) => {
          const again = { ...operation, requestId: RequestIds.ofKey(`${operation.requestId} again`) };
          return others.length > 0 && operation.kind !== 'read'
            ? self.writeAt!(others[0], again, deadline)
            : original(operation, others, deadline, silence);
        },
      );
    },
  },
  {
    protection: 'a forwarded write that arrives twice is carried out once',
    rules: WRONG_ORDER,
    plant: () => {
      replace<unknown[], unknown>(Forwarding, 'receive', (self, _, ...args) => self.inTime!(...args));
      replace<[unknown, KvRecord | undefined, string], unknown>(
        Proposer,
        'decide',
        (_, original, attempt, current, version) =>
          original(attempt, current && { ...current, requests: NO_REQUESTS }, version),
      );
    },
  },
  {
    protection: 'a comparison is with the version that the round found',
    rules: WRONG_ORDER,
    ofRounds: true,
    plant: () =>
      replace<[{ operation: WriteOperation }, unknown, unknown], unknown>(
        Proposer,
        'decide',
        (_, original, attempt, current, version) =>
          original(
            { ...attempt, operation: { ...attempt.operation, expected: undefined } },
            current,
            version,
          ),
      ),
  },
  {
    protection: 'a node shows only what it knows to be committed',
    rules: WRONG_ORDER,
    plant: () => {
      replace<[RecordId], Promise<KvRecord | undefined>>(EngineLocalKvRepo, 'get', async (self, _, id) => {
        const round = (await self.getRound!(id)) as KeyRound;
        return round.accepted?.record ?? round.committed;
      });
      replace<unknown[], undefined>(EngineLocalKvRepo, 'peek', () => undefined);
    },
  },
  {
    protection: 'a node shows its own write at once',
    rules: ['own-writes'],
    plant: () => replace<unknown[], Promise<void>>(Electorate, 'show', async () => {}),
  },
  {
    protection: 'what is in memory is what was written last',
    rules: [...WRONG_ORDER, 'own-writes', 'local-reads', 'tree'],
    plant: () =>
      replace<[HotKey, KvRecord], StoreWrite>(RecordStore, 'writeOf', (_, original, key, record) => {
        const write = original(key, record);
        const committed = write.committed!.bind(write);
        write.committed = () => {
          if (!key.record) {
            committed();
          }
        };
        return write;
      }),
  },
  {
    protection: 'nothing is acknowledged after a storage error',
    rules: [...WRONG_ORDER, 'tree', 'liveness'],
    plant: () =>
      replace<[readonly { readonly done: (error?: Error) => void }[]], void>(
        GroupCommit,
        'fail',
        (_self, _original, group) => group.forEach(({ done }) => done()),
      ),
  },
  {
    protection: 'a node whose disk was lost is never taken for the voter that it was',
    rules: [...WRONG_ORDER, 'lost-write'],
    plant: () => replace<unknown[], void>(EnvelopeGuard, 'checkDisk', () => {}),
  },
  {
    protection: 'a round that nobody ended is settled',
    rules: ['liveness'],
    plant: () => replace<[RecordId], Promise<void>>(Settler, 'settle', async () => {}),
  },
  {
    protection: 'what a node missed is repaired',
    rules: ['divergence'],
    plant: () => {
      replace<[string], Promise<void>>(HintedHandoff, 'replay', async () => {});
      replace<[string], Promise<boolean>>(AntiEntropy, 'syncWith', async () => true);
    },
  },
];

/** Protections that only the rounds of one key alone wear out often enough. */
export const ROUND_BUGS: readonly PlantedBug[] = [
  ...STRONG_BUGS.filter(({ ofRounds }) => ofRounds),
  {
    protection: 'a round that changes nothing still writes back what is not decided yet',
    rules: WRONG_ORDER,
    ofRounds: true,
    plant: () => replaceGetter<boolean>(PreparePhase, 'unanimous', () => true),
  },
  {
    protection: 'a committed record takes the place of a lower vote only',
    rules: WRONG_ORDER,
    plant: () =>
      replace<[KvRecord], void>(ModelAcceptor, 'learn', (self, _, record) => {
        const model = self as unknown as { round: KeyRound };
        model.round = { ...model.round, accepted: { ballot: record.version, record } };
      }),
  },
  {
    protection: 'an acceptor refuses ballots below its promise',
    rules: WRONG_ORDER,
    plant: () =>
      replace<[Rule], unknown>(ModelAcceptor, 'take', (_, original, rule) =>
        original((round) => rule({ ...round, promised: NO_VERSION })),
      ),
  },
  {
    protection: 'the next ballot of a proposer is promised with its vote',
    rules: WRONG_ORDER,
    plant: () =>
      replace<[Rule], unknown>(ModelAcceptor, 'take', (_, original, rule) =>
        original((round) => {
          const { change, answer } = rule(round);
          const promised = change?.accepted?.ballot;
          return { change: promised === undefined ? change : { ...change, promised }, answer };
        }),
      ),
  },
  {
    protection: 'a promise is stored before it is answered',
    rules: WRONG_ORDER,
    plant: () =>
      replace<[Rule], unknown>(ModelAcceptor, 'take', (_, original, rule) =>
        original((round) => {
          const { change, answer } = rule(round);
          return { change: change?.accepted && change, answer };
        }),
      ),
  },
];
