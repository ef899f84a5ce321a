/** The proposer side: takes a write of a strong key through its rounds, to one of its three outcomes. */
import { DkvError } from '../dkv.errors.js';
import { KeyLocks } from '../model/key-locks.js';
import { majorityOf } from '../model/consistency.js';
import { idOf, type RecordId } from '../model/key.js';
import { type WriteOperation, type WriteResult } from '../model/peer-protocol.js';
import { isVisible, type KvRecord, stampTombstone } from '../model/record.js';
import { appliedIn, mayBeForgotten, NO_REQUESTS, type RequestId } from '../model/request-window.js';
import { NO_VERSION, type Version } from '../model/version.js';
import { ByteBudget } from '../model/byte-budget.js';
import { type CoreContext } from '../cluster/core-context.js';
import { type Deadline } from '../cluster/deadline.js';
import { reachableQuorum } from '../cluster/reachable-quorum.js';
import { PromisedBallots } from './ballots.js';
import { decide, type Decision, readOf } from './decision.js';
import { type Electorate } from './electorate.js';
import { type Ballot, highest } from './rules.js';

/** What a record costs beside its value while it is under way. */
const RECORD_OVERHEAD_BYTES = 512;
const BALLOT_BYTES_MAX = 32 * 1024 * 1024;
const PAUSE_MS = 4;
const PAUSE_MS_MAX = 250;
/** The last part of the time is for finding out what became of it. */
const RESOLVE_SHARE = 0.4;

/** What the rounds of one operation have led to so far. */
interface Attempt {
  readonly operation: WriteOperation;
  /** Of its key. */
  readonly name: string;
  readonly deadline: Deadline;
  /** Only find out whether it took effect: another node was asked before. */
  readonly resolve: boolean;
  /** A record of it, or of an open round, went out, perhaps by way of another node: any node may hold it. */
  proposed: boolean;
  /** The ballot under which its own record first went out. */
  since: Ballot | undefined;
  /** The highest ballot met. */
  seen: Ballot;
}

/** What one round led to; undefined when it was lost. */
type Outcome =
  | { readonly kind: 'done'; readonly result: WriteResult }
  /** Fenced out: no earlier attempt can take effect any more. */
  | { readonly kind: 'not-applied' }
  | { readonly kind: 'unknown'; readonly why: string };

export class Proposer {
  private readonly turns = new KeyLocks();
  private readonly ballots = new PromisedBallots(BALLOT_BYTES_MAX);
  private readonly underWay: ByteBudget;

  constructor(
    private readonly context: CoreContext,
    private readonly electorate: Electorate,
  ) {
    this.underWay = new ByteBudget(context.limits.replicationBytesMax, 'Writes that are being decided');
  }

  /**
   * Rounds of one key follow each other here. `resolve`: the operation was given to another node, which fell silent.
   * @throws DkvError `DKV_QUORUM_NOT_REACHED`, `DKV_READ_ONLY`, `DKV_OVERLOADED`: refused, nothing was sent;
   *   `DKV_NOT_APPLIED`: nothing of it can ever be read; `DKV_INDETERMINATE`; `DKV_TIMEOUT` for a read.
   */
  propose(operation: WriteOperation, deadline: Deadline, resolve = false): Promise<WriteResult> {
    return this.attempt(attemptAt(operation, deadline, resolve, resolve));
  }

  /** Leaves a majority with what is decided of the key, and no earlier round open. @throws DkvError as `propose`. */
  async settle(id: RecordId, requestId: RequestId, deadline: Deadline): Promise<void> {
    const operation = readOf(id, requestId);
    await this.attempt(attemptAt(operation, deadline, false, true));
  }

  private async attempt(attempt: Attempt): Promise<WriteResult> {
    const { operation, name } = attempt;
    this.assertPossible(operation);
    const bytes = operation.value.byteLength + RECORD_OVERHEAD_BYTES;
    this.underWay.take(bytes);
    const turn = this.turns.take(name);
    try {
      if (turn) {
        await turn;
      }
      return await this.rounds(attempt);
    } finally {
      this.turns.give(name);
      this.underWay.release(bytes);
    }
  }

  /** @throws DkvError `DKV_QUORUM_NOT_REACHED`, `DKV_READ_ONLY` */
  private assertPossible({ kind, id }: WriteOperation): void {
    const { local, view } = this.context;
    reachableQuorum(this.context, kind, id, majorityOf(view.copiesOf(id.partition)));
    if (local.failure) {
      throw new DkvError('DKV_READ_ONLY', `Node ${view.selfId} takes no writes: ${local.failure.message}`, {
        cause: local.failure,
      });
    }
  }

  private async rounds(attempt: Attempt): Promise<WriteResult> {
    const { deadline, operation } = attempt;
    for (let pauseMs = PAUSE_MS; !deadline.over; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
      const late = deadline.leftMs < RESOLVE_SHARE * deadline.timeoutMs;
      let outcome: Outcome | undefined;
      try {
        outcome = await this.round(attempt, attempt.resolve || (late && attempt.proposed));
      } catch (error) {
        // An error says that nothing was sent only as long as nothing was.
        throw attempt.proposed ? this.indeterminate(operation, (error as Error).message) : error;
      }
      if (outcome?.kind === 'done') {
        return outcome.result;
      }
      if (outcome?.kind === 'not-applied') {
        throw this.notApplied(operation);
      }
      if (outcome) {
        throw this.indeterminate(operation, outcome.why);
      }
      // Others are at work on the key, or nodes are away: give way for a moment.
      await deadline.pause(pauseMs * (0.5 + this.context.random.next()));
    }
    throw attempt.proposed
      ? this.indeterminate(operation, 'no majority answered in time')
      : this.late(operation);
  }

  /** `resolving`: propose what is there again instead of the operation, so as to fence out its earlier attempts. */
  private async round(attempt: Attempt, resolving: boolean): Promise<Outcome | undefined> {
    const { operation, name, deadline } = attempt;
    const { id } = operation;
    const { view, versions } = this.context;
    if (view.diskLost) {
      throw new DkvError(
        'DKV_NOT_READY',
        `Node ${view.selfId} has another data folder than it had, so it proposes nothing.`,
      );
    }
    const known = this.ballots.take(name);
    const ballot = known?.next ?? (await versions.stamp(attempt.seen));
    const found = known
      ? { latest: known.accepted, unanimous: false }
      : await this.electorate.prepare(id, ballot, deadline);
    if ('lost' in found) {
      attempt.seen = highest(attempt.seen, ballot, found.seen);
      return undefined;
    }
    const current = found.latest?.record;
    const decision = resolving ? settled(attempt, current) : this.decide(attempt, current, ballot);
    if (decision.kind === 'forgotten') {
      return { kind: 'unknown', why: 'too many later writes of the key followed' };
    }
    // Decided already. An earlier attempt of ours must be fenced out all the same.
    if (decision.kind !== 'write' && found.unanimous && !attempt.proposed) {
      if (found.latest) {
        await this.electorate.showHere(id, found.latest);
      }
      return this.outcomeOf(attempt, decision, current);
    }
    const record = decision.kind === 'write' ? decision.record : (current ?? stampTombstone(id, ballot));
    const stamped = versions.stamp(ballot);
    const next = typeof stamped === 'string' ? stamped : await stamped;
    if (decision.kind === 'write') {
      attempt.proposed = true;
      attempt.since ??= ballot;
    }
    const vote = await this.electorate.accept(id, { ballot, record, next }, deadline);
    if (!vote.won) {
      attempt.seen = highest(attempt.seen, next, vote.seen);
      return undefined;
    }
    this.ballots.keep(name, { next, accepted: { ballot, record } });
    await this.electorate.announce(record, vote.spread);
    return this.outcomeOf(attempt, decision, current);
  }

  private decide({ operation, since }: Attempt, current: KvRecord | undefined, version: Version): Decision {
    return decide(operation, current, { version, nowMs: this.context.clock.now(), since });
  }

  private outcomeOf(
    { resolve }: Attempt,
    decision: Exclude<Decision, { kind: 'forgotten' }>,
    current: KvRecord | undefined,
  ): Outcome {
    const visible = isVisible(current, this.context.clock.now());
    switch (decision.kind) {
      case 'write':
        return doneWith({ outcome: 'done', record: decision.record, existed: visible });
      case 'applied':
        return doneWith({ outcome: 'done', record: current, existed: true, applied: decision.version });
      case 'keep':
        return doneWith({
          outcome: decision.conflict ? 'conflict' : 'done',
          record: current,
          existed: visible,
        });
      case 'absent':
        // The node that was asked first may still be at it.
        return resolve
          ? { kind: 'unknown', why: 'the node that was asked to fell silent' }
          : { kind: 'not-applied' };
    }
  }

  private notApplied({ id }: WriteOperation): DkvError {
    return new DkvError(
      'DKV_NOT_APPLIED',
      `The write of key ${JSON.stringify(id.key)} did not reach a majority in time. It was fenced out: nothing of it ` +
        'can ever be read.',
    );
  }

  private late({ kind, id }: WriteOperation): DkvError {
    const key = JSON.stringify(id.key);
    return kind === 'read'
      ? new DkvError('DKV_TIMEOUT', `No majority of the nodes of key ${key} answered in time.`)
      : new DkvError(
          'DKV_NOT_APPLIED',
          `The write of key ${key} was not proposed in time; nothing was written.`,
        );
  }

  private indeterminate({ kind, id }: WriteOperation, why: string): DkvError {
    const key = JSON.stringify(id.key);
    return kind === 'read'
      ? new DkvError('DKV_TIMEOUT', `The outcome of a round of key ${key} is not known: ${why}.`)
      : new DkvError(
          'DKV_INDETERMINATE',
          `Whether the write of key ${key} took effect is not known: ${why}. A read with consistency 'linearizable' ` +
            'tells.',
        );
  }
}

function attemptAt(
  operation: WriteOperation,
  deadline: Deadline,
  resolve: boolean,
  proposed: boolean,
): Attempt {
  const name = idOf(operation.id);
  return { operation, name, deadline, resolve, proposed, since: undefined, seen: NO_VERSION };
}

function doneWith(result: WriteResult): Outcome {
  return { kind: 'done', result };
}

/** Whether an earlier attempt took effect. */
function settled({ operation: { requestId }, since }: Attempt, current: KvRecord | undefined): Decision {
  const window = current?.requests ?? NO_REQUESTS;
  const applied = appliedIn(window, requestId);
  if (applied) {
    return { kind: 'applied', version: applied.version };
  }
  return { kind: mayBeForgotten(window, requestId, since) ? 'forgotten' : 'absent' };
}
