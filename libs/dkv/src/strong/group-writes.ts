/** What the leader of a group does with writes: finds the newest state, decides, proposes, answers what applying found. */
import { type Request } from '../model/request.js';
import { type StrongRecord } from '../model/strong-record.js';
import { type Answer } from '../model/node-messages.js';
import { ColdWrites, type LoadedRecords, type WaitingWrite } from './cold-writes.js';
import { type AskedWrite, decide, type Decision, isLive, restsOnRecord } from './decision.js';
import { encodeEntry, type EntryOperation, type KeyChange, type OperationsEntry } from './entry-layout.js';
import {
  type Asker,
  type Confirming,
  type ExpiredRecord,
  type Expiring,
  type ExpiryLook,
  type GroupCore,
  type GroupServices,
  type KeyName,
  nameOf,
  overloaded,
  refusalOf,
} from './group-parts.js';
import { IDEMPOTENCY_NAMESPACE, idempotencyRecordKey } from './idempotency.js';
import { type Proposal, type ProposalEnd, Proposals } from './proposals.js';
import { type RequestOutcome, type RequestStanding, tookEffectAt } from './request-table.js';

/** What an entry costs beside its values while it is under way. */
const ENTRY_OVERHEAD_BYTES = 256;
const NO_KEY_CHANGES: readonly KeyChange[] = [];

export class GroupWrites implements Expiring {
  private readonly proposals: Proposals;
  private readonly cold: ColdWrites;
  private lastTimeMs = 0;

  constructor(
    private readonly group: GroupCore,
    private readonly services: GroupServices,
    private readonly reads: Confirming,
  ) {
    this.proposals = new Proposals(services.limits);
    this.cold = new ColdWrites(group, services, (waiting, loaded) => this.resume(waiting, loaded));
  }

  /** Entries that were proposed here and are not applied. */
  get underWay(): number {
    return this.proposals.underWay;
  }

  write(asker: Asker, slot: number, request: Request, write: AskedWrite): void {
    const bytes = ENTRY_OVERHEAD_BYTES + write.value.length;
    const waiting = { asker, slot, request, write, bytes };
    if (!this.isKnown(waiting) && !this.cold.joins(waiting)) {
      this.decideNow(waiting, undefined);
    }
  }

  /** Sees to it that the request takes no effect, unless it has: by an entry of its own, judged when it is applied. */
  cancel(asker: Asker, slot: number, request: Request, names: KeyName): void {
    const { group } = this;
    if (!group.leads) {
      asker.answer(slot, group.retry());
      return;
    }
    const standing = group.requests.standingOf(request);
    if (standing !== 'new') {
      asker.answer(slot, this.answerOfStanding(request, standing, undefined, names));
      return;
    }
    const operation = {
      kind: 'cancel',
      request,
      existed: false,
      isCount: false,
      changes: NO_KEY_CHANGES,
    } as const;
    this.propose(operation, ENTRY_OVERHEAD_BYTES, { asker, slot, names });
  }

  /**
   * Notes from now on which keys are written, for {@link removeExpired}. What is proposed already counts, too: the store
   * does not show it yet, or would show it only after it was asked.
   */
  beginExpiry(): ExpiryLook {
    return this.proposals.beginLook(this.group.raft.term);
  }

  /** Nothing was found to remove. */
  endExpiry(look: ExpiryLook): void {
    this.proposals.endLook(look);
  }

  /**
   * Removes those of `records` that log time has passed, by an entry for all of them; `then` runs once it is applied, and
   * where this node leads no more `asker` is told to ask again. `look` began before the records were read: what was
   * written since is left alone. Whether there was one to remove.
   */
  removeExpired(
    look: ExpiryLook,
    records: readonly ExpiredRecord[],
    asker?: Asker,
    slot = 0,
    then?: () => void,
  ): boolean {
    const { group } = this;
    this.proposals.endLook(look);
    if (!group.leads || group.raft.term !== look.term) {
      return false;
    }
    const timeMs = this.timeMs();
    const changes = records
      .filter((expired) => !look.written.has(nameOf(expired)) && !isLive(expired.record, timeMs))
      .map(removed);
    if (changes.length > 0) {
      this.propose(removalOf(changes), ENTRY_OVERHEAD_BYTES, { asker, slot, then }, timeMs);
    }
    return changes.length > 0;
  }

  /** What was proposed here as that entry; undefined where another leader made it. */
  proposedAt(index: number, term: number): Proposal | undefined {
    return this.proposals.at(index, term);
  }

  /** The entry of the first proposal is applied: that is what became of its request. */
  applied(proposal: Proposal, standing: RequestStanding): void {
    this.proposals.dropFirst();
    const { asker, slot, request, end } = proposal;
    if (asker && request && !this.isKnownAt(asker, proposal, standing)) {
      asker.answer(slot, this.answerOfStanding(request, standing, proposal, end.names));
    }
    end.then?.();
  }

  /** Whether the asking node applies the entry without being told more, and answers its caller itself. */
  private isKnownAt({ member }: Asker, { index }: Proposal, standing: RequestStanding): boolean {
    return (
      member !== undefined && tookEffectAt(standing, index) && this.group.raft.knowsCommit(member, index)
    );
  }

  /** This node leads no more: what was proposed may be committed by another leader, or not. */
  giveUp(): void {
    const waiting = [...this.proposals.clear(), ...this.cold.clear()];
    this.lastTimeMs = 0;
    const retry = this.group.retry();
    for (const { asker, slot } of waiting) {
      asker?.answer(slot, retry);
    }
  }

  /** The newest record of a key, committed or not; null for none, undefined where the store must be asked. */
  newest(namespace: string, key: string): StrongRecord | null | undefined {
    const proposed = this.proposals.changes.find(namespace, key);
    return proposed ? (proposed.record ?? null) : this.services.store.peek(this.group.number, namespace, key);
  }

  private timeMs(): number {
    return Math.max(this.group.logTimeMs, this.lastTimeMs, this.services.boundedNowMs());
  }

  /** Whether nothing is to be decided: what is known of the request was answered, or will be by what is under way. */
  private isKnown({ asker, slot, request, write }: WaitingWrite): boolean {
    const { group } = this;
    const { changes } = this.proposals;
    if (!group.leads) {
      asker.answer(slot, group.retry());
      return true;
    }
    const standing = group.requests.standingOf(request);
    if (standing !== 'new') {
      asker.answer(slot, this.answerOfStanding(request, standing, undefined, write));
      return true;
    }
    const proposed = changes.standingOf(request);
    if (proposed === 'stale') {
      asker.answer(slot, group.retry(group.requests.sessionOf(request.nodeId)));
    } else if (proposed !== undefined) {
      const proposal = this.proposals.find(proposed);
      if (proposal) {
        proposal.asker = asker;
        proposal.slot = slot;
      }
    }
    return proposed !== undefined;
  }

  /** What was read for it counts, unless this node has ceased to lead since: then it is asked for as if anew. */
  private resume(waiting: WaitingWrite, loaded: LoadedRecords | undefined): void {
    const { group } = this;
    if (loaded && group.leads && group.raft.term === loaded.term) {
      if (!this.isKnown(waiting)) {
        this.decideNow(waiting, loaded);
      }
      return;
    }
    const { asker, slot, request, write } = waiting;
    this.write(asker, slot, request, write);
  }

  private decideNow(waiting: WaitingWrite, loaded: LoadedRecords | undefined): void {
    const { services, group } = this;
    const { asker, slot, request, write, bytes } = waiting;
    const { namespace, key, idempotencyKey } = write;
    const rememberedKey =
      idempotencyKey === undefined ? undefined : idempotencyRecordKey(namespace, key, idempotencyKey);
    let current = restsOnRecord(write) ? this.newest(namespace, key) : null;
    let remembered = rememberedKey === undefined ? null : this.newest(IDEMPOTENCY_NAMESPACE, rememberedKey);
    if (loaded) {
      // What is in memory is newer than what was read.
      current = current === undefined ? (loaded.current ?? null) : current;
      remembered = remembered === undefined ? (loaded.remembered ?? null) : remembered;
    }
    if (current === undefined || remembered === undefined) {
      this.cold.read(rememberedKey, waiting, { current, remembered });
      return;
    }
    const without = services.withoutQuorum(group.number, key);
    const refusal = without
      ? refusalOf(without)
      : write.kind !== 'remove' && services.onlyRemoves(group.list);
    if (refusal) {
      asker.answer(slot, refusal);
      return;
    }
    let decision: Decision;
    const timeMs = this.timeMs();
    try {
      if (services.store.full) {
        throw overloaded();
      }
      decision = decide(write, {
        current: current ?? undefined,
        remembered: remembered ?? undefined,
        timeMs,
        idempotencyTtlMs: services.idempotencyTtlMs,
        codecOf: services.codecOf,
      });
    } catch (error) {
      asker.answer(slot, refusalOf(error));
      return;
    }
    if (decision.kind === 'change') {
      const { existed, changes } = decision;
      const operation = {
        kind: 'change',
        request,
        existed,
        isCount: write.kind === 'increment',
        changes,
      } as const;
      const end = { asker, slot, names: write, isOwnValue: write.kind === 'put' };
      this.propose(operation, bytes, end, timeMs);
      return;
    }
    const { outcome, existed, repeated, record } = decision;
    const { changes } = this.proposals;
    // What rests on an entry that is not committed is told when it is; and only a leader may tell it.
    const basis = Math.max(
      group.applied,
      changes.find(namespace, key)?.index ?? 0,
      rememberedKey === undefined ? 0 : (changes.find(IDEMPOTENCY_NAMESPACE, rememberedKey)?.index ?? 0),
    );
    const answer = (): Answer => ({
      type: 'done',
      outcome,
      record,
      existed,
      repeated,
      generation: group.generation,
      index: Math.max(basis, group.applied),
      isLogged: false,
      isOwnValue: false,
    });
    if (current != null && current.expiresAtMs > group.logTimeMs && current.expiresAtMs <= timeMs) {
      // A later leader whose clock is behind could show the value again: its removal is committed first (rule 19).
      const then = () => asker.answer(slot, answer());
      this.propose(removalOf([removed(write)]), ENTRY_OVERHEAD_BYTES, { asker, slot, then }, timeMs);
    } else {
      this.reads.confirm(basis, asker, slot, answer);
    }
  }

  private propose(operation: EntryOperation, bytes: number, end: ProposalEnd, timeMs = this.timeMs()): void {
    const { group, services } = this;
    const { raft, generation } = group;
    const { asker, slot } = end;
    if (!raft.mayPropose) {
      asker?.answer(slot, group.retry());
      return;
    }
    try {
      services.limits.uncommitted.take(bytes);
    } catch (error) {
      asker?.answer(slot, refusalOf(error));
      return;
    }
    const entry: OperationsEntry = { timeMs, operations: [operation] };
    const index = raft.propose('operations', encodeEntry(entry));
    this.lastTimeMs = timeMs;
    this.proposals.add(entry, { index, term: raft.term, generation }, bytes, end);
    services.wake(group);
  }

  private answerOfStanding(
    { nodeId }: Request,
    standing: RequestStanding,
    proposal: Proposal | undefined,
    names: KeyName | undefined,
  ): Answer {
    if (typeof standing === 'string') {
      return this.group.retry(this.group.requests.sessionOf(nodeId));
    }
    const { kind, index, existed } = standing;
    if (kind === 'cancelled') {
      return { type: 'cancelled', generation: this.group.generation, index };
    }
    const isOwn = proposal?.index === index;
    const record = isOwn ? proposal.record : names && this.recordMadeBy(standing, names);
    const isOwnValue = isOwn && proposal.end.isOwnValue === true;
    return {
      type: 'done',
      outcome: 'done',
      record,
      existed,
      repeated: false,
      generation: this.group.generation,
      index,
      isLogged: true,
      isOwnValue,
    };
  }

  /** The record that an earlier attempt of a request made; others may have written since. Its caller has the value. */
  private recordMadeBy(
    { index, counted, expiresAtMs }: RequestOutcome,
    { namespace, key }: KeyName,
  ): StrongRecord {
    const { generation, logTimeMs } = this.group;
    const current = this.newest(namespace, key);
    return current?.index === index
      ? current
      : { generation, index, expiresAtMs, modifiedMs: logTimeMs, value: counted };
  }
}

function removed({ namespace, key }: KeyName): KeyChange {
  return { namespace, key, value: undefined, expiresAtMs: 0 };
}

/** Of what nobody asked for: the removal of what expired. */
function removalOf(changes: readonly KeyChange[]): EntryOperation {
  return { kind: 'change', request: undefined, existed: false, isCount: false, changes };
}
