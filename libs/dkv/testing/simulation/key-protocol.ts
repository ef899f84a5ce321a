/** The rounds of one key alone: real proposers and acceptors' rules, messages in any order, millions of lives a minute. */
import { type Spread, type Electorate, type Found, type Proposal } from '../../src/consensus/electorate.js';
import { Proposer } from '../../src/consensus/proposer.js';
import { AcceptPhase, PreparePhase } from '../../src/consensus/round.js';
import { accept, learn, prepare, type Step } from '../../src/consensus/rules.js';
import { isDkvError } from '../../src/dkv.errors.js';
import { majorityOf } from '../../src/model/consistency.js';
import { type RecordId } from '../../src/model/key.js';
import { type Accepted, type WriteOperation } from '../../src/model/peer-protocol.js';
import { type KvRecord } from '../../src/model/record.js';
import { formatVersion, NO_VERSION, physicalMsOf, type Version } from '../../src/model/version.js';
import { type Clock, type Timer } from '../../src/ports/clock.js';
import { type KeyRound } from '../../src/ports/local-kv-repo.js';
import { NO_TELEMETRY } from '../../src/ports/telemetry.js';
import { type CoreContext } from '../../src/cluster/core-context.js';
import { Deadline } from '../../src/cluster/deadline.js';
import { RequestIds } from '../../src/eventual/request-ids.js';
import { type Finding } from './checkers/finding.js';
import { checkLinearizability } from './checkers/linearizability.js';
import { type HistoryAction, type HistoryOperation, type HistoryOutcome, outcomeOfError } from './history.js';
import { SimRandom } from './sim-random.js';

export interface KeyProtocolResult {
  readonly seed: number;
  readonly findings: readonly Finding[];
  readonly operations: number;
  readonly acknowledged: number;
  readonly steps: number;
}

const ID: RecordId = { partition: 0, namespace: 'default', key: 'key' };
/** Nobody gets hints here. */
const NO_SPREAD: Spread = { id: { partition: 0, namespace: 'n', key: 'k' }, holders: [], open: 0 };
const START_MS = 1_700_000_000_000;
const TIMEOUT_MS = 100;
const STEPS_MAX = 2_000;
/** Turns of the microtask queue that a proposer needs from an answer to its next request, with some to spare. */
const MICROTASKS = 16;

/** What has been sent and not yet arrived; taken out in any order. */
interface Message {
  /** Whose death makes it void: answers to the dead change nothing. */
  readonly proposer: Life;
  deliver(): void;
}

/** One start of a proposer. Its death ends all that it does, between any two messages. */
interface Life {
  readonly nodeId: string;
  readonly boot: number;
  alive: boolean;
  underWay: number;
}

class ModelClock implements Clock {
  private timeMs = 0;
  private readonly timers = new Set<{ dueMs: number; task: () => void }>();

  now(): number {
    return START_MS + Math.floor(this.timeMs);
  }

  monotonic(): number {
    return this.timeMs;
  }

  schedule(delayMs: number, task: () => void): Timer {
    const timer = { dueMs: this.timeMs + delayMs, task };
    this.timers.add(timer);
    return { cancel: () => this.timers.delete(timer) };
  }

  /** Time moves on to the next timer; false when there is none. */
  fireNext(): boolean {
    let next: { dueMs: number; task: () => void } | undefined;
    for (const timer of this.timers) {
      if (!next || timer.dueMs < next.dueMs) {
        next = timer;
      }
    }
    if (!next) {
      return false;
    }
    this.timers.delete(next);
    this.timeMs = Math.max(this.timeMs, next.dueMs);
    next.task();
    return true;
  }
}

/** What an acceptor holds is durable: its crash is a message that does not arrive. */
export class ModelAcceptor {
  private round: KeyRound = {
    committed: undefined,
    promised: NO_VERSION,
    accepted: undefined,
    floor: NO_VERSION,
  };

  take<A>(rule: (round: KeyRound) => Step<A>): A {
    const { change, answer } = rule(this.round);
    this.round = { ...this.round, ...change };
    return answer;
  }

  learn(record: KvRecord): void {
    this.round = { ...this.round, ...learn(this.round, record) };
  }
}

class Model {
  readonly clock = new ModelClock();
  readonly messages: Message[] = [];
  readonly history: HistoryOperation[] = [];
  readonly acceptors: readonly ModelAcceptor[];
  readonly random: SimRandom;
  order = 0;
  private stamps = 0;

  constructor(seed: number) {
    this.random = new SimRandom(`key ${seed}`);
    this.acceptors = Array.from({ length: this.random.pick([3, 3, 5]) }, () => new ModelAcceptor());
  }

  /** Whether anything may still happen that a client would learn of. */
  isBusy(lives: readonly Life[]): boolean {
    return this.messages.length > 0 || lives.some(({ underWay }) => underWay > 0);
  }

  proposer(life: Life): Proposer {
    const { clock, random } = this;
    const nodes = this.acceptors.map((_, index) => `n${index}`);
    const context = {
      clock,
      random,
      telemetry: NO_TELEMETRY,
      limits: { replicationBytesMax: 1_000_000 },
      local: { failure: undefined },
      view: {
        selfId: life.nodeId,
        reachable: () => nodes,
        listOf: () => nodes,
        copiesOf: () => nodes.length,
      },
      versions: { stamp: async (seen?: Version) => this.stamp(life, seen) },
    };
    return new Proposer(context as unknown as CoreContext, this.electorate(life) as unknown as Electorate);
  }

  /** Unique and rising for each life, as the version clock's are. */
  private stamp({ nodeId, boot }: Life, seen: Version = NO_VERSION): Version {
    const seenMs = seen === NO_VERSION ? 0 : physicalMsOf(seen);
    this.stamps = Math.max(this.stamps + 1, seenMs - START_MS + 1);
    return formatVersion({ physicalMs: START_MS + this.stamps, counter: 0, nodeId, boot });
  }

  private electorate(life: Life): Pick<Electorate, 'prepare' | 'accept' | 'announce' | 'showHere'> {
    return {
      prepare: async (_id: RecordId, ballot: Version, deadline: Deadline): Promise<Found> => {
        const phase = new PreparePhase(majorityOf(this.acceptors.length), this.acceptors.length);
        await this.ask(life, phase, deadline, (acceptor) => acceptor.take((round) => prepare(round, ballot)));
        return phase.state === 'won'
          ? { latest: phase.latest, unanimous: phase.unanimous }
          : { lost: true, seen: phase.seen };
      },
      accept: async (_id: RecordId, { ballot, record, next }: Proposal, deadline: Deadline) => {
        const phase = new AcceptPhase(majorityOf(this.acceptors.length), this.acceptors.length);
        await this.ask(life, phase, deadline, (acceptor) =>
          acceptor.take((round) => accept(round, ballot, record, next)),
        );
        return { won: phase.state === 'won', seen: phase.seen, spread: NO_SPREAD };
      },
      announce: async (record: KvRecord) => this.tell(life, record),
      showHere: async (_id: RecordId, { record }: Accepted) => this.tell(life, record),
    };
  }

  /** The commit reaches whom it reaches. */
  private tell(life: Life, record: KvRecord): void {
    for (const acceptor of this.acceptors) {
      this.messages.push({ proposer: life, deliver: () => acceptor.learn(record) });
    }
  }

  private ask<A>(
    life: Life,
    phase: { readonly state: string; add(answer: A | undefined): void },
    deadline: Deadline,
    take: (acceptor: ModelAcceptor) => A,
  ): Promise<void> {
    const verdict = new Promise<void>((resolve) => {
      for (const acceptor of this.acceptors) {
        let answered = false;
        const deliver = () => {
          const answer = take(acceptor);
          this.messages.push({
            proposer: life,
            deliver: () => {
              if (!answered && life.alive) {
                answered = true;
                phase.add(answer);
                if (phase.state !== 'open') {
                  resolve();
                }
              }
            },
          });
        };
        this.messages.push({ proposer: life, deliver });
      }
    });
    return deadline.race(verdict, () => undefined);
  }
}

/** One life of one key: up to a dozen operations of two or three proposers, judged by the order of their answers. */
export async function runKeyProtocol(seed: number): Promise<KeyProtocolResult> {
  const model = new Model(seed);
  const { random } = model;
  const loss = random.pick([0, 0.02, 0.1, 0.3]);
  const crash = random.pick([0, 0, 0.01]);
  const lives: Life[] = Array.from({ length: 2 + random.int(2) }, (_, index) => ({
    nodeId: `n${index}`,
    boot: 1,
    alive: true,
    underWay: 0,
  }));
  const proposers = lives.map((life) => model.proposer(life));
  const ids = new RequestIds(model.clock, random);
  let left = 4 + random.int(9);
  let steps = 0;
  for (; steps < STEPS_MAX && (left > 0 || model.isBusy(lives)); steps++) {
    const dice = random.next();
    if (left > 0 && dice < 0.08) {
      left--;
      const index = random.int(proposers.length);
      void operate(model, proposers[index]!, lives[index]!, ids);
    } else if (dice < 0.08 + crash) {
      const index = random.int(lives.length);
      const dead = lives[index]!;
      dead.alive = false;
      lives[index] = { ...dead, boot: dead.boot + 1, alive: true, underWay: 0 };
      proposers[index] = model.proposer(lives[index]);
    } else if (model.messages.length > 0 && dice < 0.995) {
      deliverOne(model, loss);
    } else {
      model.clock.fireNext();
    }
    for (let turn = 0; turn < MICROTASKS; turn++) {
      await Promise.resolve();
    }
  }
  const { history } = model;
  return {
    seed,
    findings: checkLinearizability(history),
    operations: history.length,
    acknowledged: history.filter(({ outcome }) => outcome.kind === 'ok').length,
    steps,
  };
}

/** Any of those under way arrives, is lost, or arrives and stays under way to arrive again. */
function deliverOne({ messages, random }: Model, loss: number): void {
  const index = random.int(messages.length);
  const message = messages[index]!;
  const twice = random.next() < loss / 4;
  if (!twice) {
    messages[index] = messages.at(-1)!;
    messages.pop();
  }
  if (random.next() >= loss) {
    message.deliver();
  }
}

async function operate(model: Model, proposer: Proposer, life: Life, ids: RequestIds): Promise<void> {
  const { random, history, clock } = model;
  const value = `v${history.length}`;
  const action = actionOf(model, value);
  const operation: WriteOperation = {
    kind: action.kind === 'read' ? 'read' : action.kind === 'delete' ? 'remove' : 'addOrUpdate',
    id: ID,
    value: Buffer.from(value),
    ttlMs: 0,
    level: 'quorum',
    requestId: ids.next(),
    ...(action.kind === 'compareAndSet' && { expected: action.expected ?? NO_VERSION }),
  };
  const slot = history.length;
  const begun: HistoryOperation = {
    client: life.nodeId,
    incarnation: `${life.nodeId}#${life.boot}`,
    key: ID.key,
    action,
    invoked: model.order++,
    returned: Infinity,
    invokedAtMs: clock.monotonic(),
    returnedAtMs: Infinity,
    outcome: action.kind === 'read' ? { kind: 'unread' } : { kind: 'indeterminate' },
  };
  history.push(begun);
  const timeoutMs = TIMEOUT_MS * (0.2 + random.next());
  life.underWay++;
  const outcome = await outcomeOf(proposer, operation, action, new Deadline(clock, timeoutMs));
  life.underWay--;
  if (life.alive) {
    const returned = outcome.kind === 'indeterminate' ? Infinity : model.order++;
    history[slot] = { ...begun, outcome, returned };
  }
}

async function outcomeOf(
  proposer: Proposer,
  operation: WriteOperation,
  action: HistoryAction,
  deadline: Deadline,
): Promise<HistoryOutcome> {
  try {
    const { outcome, record, existed, applied } = await proposer.propose(operation, deadline);
    if (outcome === 'conflict') {
      return { kind: 'mismatch' };
    }
    if (action.kind === 'read') {
      return {
        kind: 'ok',
        value: record && !record.tombstone ? Buffer.from(record.value).toString() : undefined,
        version: record?.tombstone ? undefined : record?.version,
      };
    }
    if (action.kind === 'delete') {
      return applied === undefined ? { kind: 'ok', existed } : { kind: 'ok' };
    }
    return { kind: 'ok', version: applied ?? record?.version };
  } catch (error) {
    if (!isDkvError(error)) {
      throw error;
    }
    return outcomeOfError(error.code, action);
  }
}

function actionOf({ random, history }: Model, value: string): HistoryAction {
  const dice = random.next();
  if (dice < 0.3) {
    return { kind: 'read', level: 'linearizable' };
  }
  if (dice < 0.6) {
    return { kind: 'write', value };
  }
  if (dice < 0.7) {
    return { kind: 'delete' };
  }
  const told = history.flatMap(({ outcome }) =>
    outcome.kind === 'ok' && outcome.version !== undefined ? [outcome.version] : [],
  );
  return {
    kind: 'compareAndSet',
    expected: told.length > 0 && random.chance(0.8) ? told.at(-1)! : null,
    value,
  };
}
