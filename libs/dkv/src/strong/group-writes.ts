/** What the leader of a group does with writes: finds the newest state, decides, proposes, answers what applying found. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type Request } from '../model/request.js';
import { type StrongRecord } from '../model/strong-record.js';
import { type Answer } from '../model/node-messages.js';
import { type AskedWrite, decide, type Decision, isLive } from './decision.js';
import { encodeEntry, type EntryOperation, type KeyChange, type OperationsEntry } from './entry-layout.js';
import { IDEMPOTENCY_NAMESPACE, idempotencyRecordKey } from './idempotency.js';
import { ProposedChanges } from './proposed-changes.js';
import { type RequestOutcome } from './request-table.js';
import { type Asker, type GroupServices, type StrongGroup } from './strong-group.js';

/** An entry that this node proposed, until it is applied or its leadership is over. */
interface Proposal {
  readonly index: number;
  readonly term: number;
  readonly entry: OperationsEntry;
  readonly bytes: number;
  /** Undefined for what nobody waits for. */
  readonly request: Request | undefined;
  /** Who is to be told; the last one who asked under the request's name. */
  asker: Asker | undefined;
  slot: number;
  /** The record that it leaves, of the write's own key; undefined for a removal. */
  readonly record: StrongRecord | undefined;
  /** Whether its value is the one that the caller gave. */
  readonly isOwnValue: boolean;
  /** Of the write that was asked for, or is cancelled; undefined for what no caller asked for. */
  readonly names: KeyName | undefined;
  /** Runs when it is applied, for what no caller asked for. */
  readonly then: (() => void) | undefined;
}

interface KeyName {
  readonly namespace: string;
  readonly key: string;
}

/** Who is told, and what happens, when a proposal is applied. */
interface ProposalEnd {
  readonly asker: Asker | undefined;
  readonly slot: number;
  readonly names?: KeyName;
  readonly then?: (() => void) | undefined;
}

interface ColdWrite {
  readonly asker: Asker;
  readonly slot: number;
  readonly request: Request;
  readonly write: AskedWrite;
  readonly bytes: number;
}

/** A look for expired records that is under way: what was written since it began is not what it saw. */
export interface ExpiryLook {
  readonly term: number;
  readonly written: Set<string>;
}

export interface ExpiredRecord {
  readonly namespace: string;
  readonly key: string;
  readonly record: StrongRecord;
}

/** Records that a write needs and that were read from the store for it. */
interface LoadedRecords {
  /** In which they were read: another leader may have written since. */
  readonly term: number;
  readonly current: StrongRecord | undefined;
  readonly remembered: StrongRecord | undefined;
}

/** What an entry costs beside its values while it is under way. */
const ENTRY_OVERHEAD_BYTES = 256;
const NO_KEY_CHANGES: readonly KeyChange[] = [];
/** Writes of one key that wait for it to be read. */
const COLD_WRITES_MAX = 10_000;

export class GroupWrites {
  private readonly proposed = new ProposedChanges();
  /** In order of their indexes. */
  private proposals: Proposal[] = [];
  private first = 0;
  private readonly cold = new Map<string, ColdWrite[]>();
  private lastTimeMs = 0;
  private readonly looks = new Set<ExpiryLook>();

  constructor(
    private readonly group: StrongGroup,
    private readonly services: GroupServices,
  ) {}

  /** Entries that were proposed here and are not applied. */
  get underWay(): number {
    return this.proposals.length - this.first;
  }

  write(asker: Asker, slot: number, request: Request, write: AskedWrite): void {
    const known = this.answerOfKnown(asker, slot, request, write);
    if (known) {
      if (known !== 'waits') {
        asker.answer(slot, known);
      }
      return;
    }
    const bytes = ENTRY_OVERHEAD_BYTES + write.value.byteLength;
    const queue = this.cold.size > 0 ? this.cold.get(coldName(write)) : undefined;
    if (queue) {
      this.wait(queue, { asker, slot, request, write, bytes });
      return;
    }
    this.decideNow({ asker, slot, request, write, bytes }, undefined);
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
    const look = { term: this.group.raft.term, written: this.proposed.names(nameOf) };
    this.looks.add(look);
    return look;
  }

  /** Nothing was found to remove. */
  endExpiry(look: ExpiryLook): void {
    this.looks.delete(look);
  }

  /**
   * Removes those of `records` that log time has passed, by an entry for all of them; `then` runs once it is applied,
   * and where this node leads no more `asker` is told to ask again. `look` began before the records were read: whoever was written since is left alone. Whether there was one to remove.
   */
  removeExpired(
    look: ExpiryLook,
    records: readonly ExpiredRecord[],
    asker?: Asker,
    slot = 0,
    then?: () => void,
  ): boolean {
    const { group } = this;
    this.looks.delete(look);
    if (!group.leads || group.raft.term !== look.term) {
      return false;
    }
    const timeMs = this.timeMs();
    const changes = records
      .filter(
        ({ namespace, key, record }) => !look.written.has(nameOf(namespace, key)) && !isLive(record, timeMs),
      )
      .map(removed);
    if (changes.length > 0) {
      this.propose(removalOf(changes), ENTRY_OVERHEAD_BYTES, { asker, slot, then }, timeMs);
    }
    return changes.length > 0;
  }

  /** What was proposed here as that entry; undefined where another leader made it. */
  proposedAt(index: number, term: number): Proposal | undefined {
    const proposal = this.proposals[this.first];
    return proposal?.index === index && proposal.term === term ? proposal : undefined;
  }

  /** The entry of the first proposal is applied. */
  applied(proposal: Proposal): void {
    this.dropFirst();
    this.forget(proposal);
    const { asker, slot, request } = proposal;
    if (asker && request) {
      const standing = this.group.requests.standingOf(request);
      asker.answer(slot, this.answerOfStanding(request, standing, proposal, proposal.names));
    }
    proposal.then?.();
  }

  /** This node leads no more: what was proposed may be committed by another leader, or not. */
  giveUp(): void {
    const proposals = this.proposals.slice(this.first);
    const queues = [...this.cold.values()];
    this.proposals = [];
    this.first = 0;
    this.cold.clear();
    this.proposed.clear();
    this.lastTimeMs = 0;
    this.looks.clear();
    const retry = this.group.retry();
    for (const { asker, slot, bytes } of proposals) {
      this.services.limits.uncommitted.release(bytes);
      asker?.answer(slot, retry);
    }
    for (const queue of queues) {
      for (const { asker, slot, bytes } of queue) {
        this.services.limits.cold.release(bytes);
        asker.answer(slot, retry);
      }
    }
  }

  /** The newest record of a key, committed or not; null for none, undefined where the store must be asked. */
  newest(namespace: string, key: string): StrongRecord | null | undefined {
    const proposed = this.proposed.find(namespace, key);
    return proposed ? (proposed.record ?? null) : this.services.store.peek(this.group.number, namespace, key);
  }

  private timeMs(): number {
    return Math.max(this.group.logTimeMs, this.lastTimeMs, this.services.boundedNowMs());
  }

  /** What can be said without deciding anything; `waits` when the request is under way and is answered later. */
  private answerOfKnown(
    asker: Asker,
    slot: number,
    request: Request,
    names: KeyName,
  ): Answer | 'waits' | undefined {
    const { group, proposed } = this;
    if (!group.leads) {
      return group.retry();
    }
    const standing = group.requests.standingOf(request);
    if (standing !== 'new') {
      return this.answerOfStanding(request, standing, undefined, names);
    }
    const index = proposed.indexOf(request);
    if (index !== undefined) {
      const proposal = this.proposals[this.first + this.positionOf(index)];
      if (proposal) {
        proposal.asker = asker;
        proposal.slot = slot;
      }
      return 'waits';
    }
    if (proposed.isStale(request)) {
      return group.retry(group.requests.sessionOf(request.nodeId));
    }
    return undefined;
  }

  private decideNow(cold: ColdWrite, loaded: LoadedRecords | undefined): void {
    const { services, group } = this;
    const { asker, slot, request, write, bytes } = cold;
    const { namespace, key, idempotencyKey } = write;
    const rememberedKey =
      idempotencyKey === undefined ? undefined : idempotencyRecordKey(namespace, key, idempotencyKey);
    let current = this.newest(namespace, key);
    let remembered = rememberedKey === undefined ? null : this.newest(IDEMPOTENCY_NAMESPACE, rememberedKey);
    if (loaded) {
      // What is in memory is newer than what was read.
      current = current === undefined ? (loaded.current ?? null) : current;
      remembered = remembered === undefined ? (loaded.remembered ?? null) : remembered;
    }
    if (current === undefined || remembered === undefined) {
      this.readCold(rememberedKey, cold);
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
        codec: services.codecOf(namespace),
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
      this.propose(operation, bytes, { asker, slot, names: write }, timeMs, write.kind === 'put');
      return;
    }
    const { outcome, existed, repeated, record } = decision;
    // What rests on an entry that is not committed is told when it is; and only a leader may tell it.
    const basis = Math.max(
      group.applied,
      this.proposed.find(namespace, key)?.index ?? 0,
      rememberedKey === undefined
        ? 0
        : (this.proposed.find(IDEMPOTENCY_NAMESPACE, rememberedKey)?.index ?? 0),
    );
    const answer = (): Answer => ({
      type: 'done',
      outcome,
      record,
      existed,
      repeated,
      index: Math.max(basis, group.applied),
      isLogged: false,
      isOwnValue: false,
    });
    if (current != null && current.expiresAtMs > group.logTimeMs && current.expiresAtMs <= timeMs) {
      // A later leader whose clock is behind could show the value again: its removal is committed first (rule 19).
      const then = () => asker.answer(slot, answer());
      this.propose(removalOf([removed(write)]), ENTRY_OVERHEAD_BYTES, { asker, slot, then }, timeMs);
    } else {
      group.reads.confirm(basis, asker, slot, answer);
    }
  }

  private propose(
    operation: EntryOperation,
    bytes: number,
    { asker, slot, names, then }: ProposalEnd,
    timeMs = this.timeMs(),
    isOwnValue = false,
  ): void {
    const { group, services } = this;
    const { raft } = group;
    try {
      services.limits.uncommitted.take(bytes);
    } catch (error) {
      asker?.answer(slot, refusalOf(error));
      return;
    }
    if (!raft.mayPropose) {
      services.limits.uncommitted.release(bytes);
      asker?.answer(slot, group.retry());
      return;
    }
    const entry: OperationsEntry = { timeMs, operations: [operation] };
    const index = raft.propose('operations', encodeEntry(entry));
    this.lastTimeMs = timeMs;
    const { request, changes } = operation;
    if (request) {
      this.proposed.addRequest(request, index);
    }
    let own: StrongRecord | undefined;
    for (const [position, { namespace, key, value, expiresAtMs }] of changes.entries()) {
      const record = value && { generation: group.generation, index, expiresAtMs, modifiedMs: timeMs, value };
      this.proposed.addRecord(namespace, key, record, index);
      this.looks.forEach(({ written }) => written.add(nameOf(namespace, key)));
      own = position === 0 && namespace !== IDEMPOTENCY_NAMESPACE ? record : own;
    }
    this.proposals.push({
      index,
      term: raft.term,
      entry,
      bytes,
      request,
      asker,
      slot,
      record: own,
      isOwnValue,
      names,
      then,
    });
    services.wake(group);
  }

  /** The store is asked; until it has answered, writes of the key wait in their order. */
  private readCold(rememberedKey: string | undefined, first: ColdWrite): void {
    const { write } = first;
    const name = coldName(write);
    const queue: ColdWrite[] = [];
    this.cold.set(name, queue);
    if (!this.wait(queue, first)) {
      this.cold.delete(name);
      return;
    }
    const { store } = this.services;
    const { number, raft } = this.group;
    const { term } = raft;
    const reading = Promise.all([
      store.read(number, write.namespace, write.key),
      rememberedKey === undefined ? undefined : store.read(number, IDEMPOTENCY_NAMESPACE, rememberedKey),
    ]);
    reading.then(
      ([current, remembered]) => this.resume(name, queue, { term, current, remembered }),
      (error: unknown) => this.refuseCold(name, queue, error),
    );
  }

  private wait(queue: ColdWrite[], cold: ColdWrite): boolean {
    try {
      if (queue.length >= COLD_WRITES_MAX) {
        throw overloaded();
      }
      this.services.limits.cold.take(cold.bytes);
    } catch (error) {
      cold.asker.answer(cold.slot, refusalOf(error));
      return false;
    }
    queue.push(cold);
    return true;
  }

  /** The first is decided by what was read, unless this node has ceased to lead since; the others by what it leaves. */
  private resume(name: string, queue: ColdWrite[], loaded: LoadedRecords): void {
    if (!this.takeQueue(name, queue)) {
      return;
    }
    const { group } = this;
    for (const [position, cold] of queue.entries()) {
      const { asker, slot, request, write } = cold;
      if (position === 0 && group.leads && group.raft.term === loaded.term) {
        const known = this.answerOfKnown(asker, slot, request, write);
        if (!known) {
          this.decideNow(cold, loaded);
        } else if (known !== 'waits') {
          asker.answer(slot, known);
        }
      } else {
        this.write(asker, slot, request, write);
      }
    }
  }

  private refuseCold(name: string, queue: ColdWrite[], error: unknown): void {
    if (this.takeQueue(name, queue)) {
      const refusal = refusalOf(error);
      queue.forEach(({ asker, slot }) => asker.answer(slot, refusal));
    }
  }

  private takeQueue(name: string, queue: ColdWrite[]): boolean {
    if (this.cold.get(name) !== queue) {
      return false;
    }
    this.cold.delete(name);
    queue.forEach(({ bytes }) => this.services.limits.cold.release(bytes));
    return true;
  }

  private answerOfStanding(
    { nodeId }: Request,
    standing: ReturnType<StrongGroup['requests']['standingOf']>,
    proposal: Proposal | undefined,
    names: KeyName | undefined,
  ): Answer {
    if (typeof standing === 'string') {
      return this.group.retry(this.group.requests.sessionOf(nodeId));
    }
    const { kind, index, existed } = standing;
    if (kind === 'cancelled') {
      return { type: 'cancelled', index };
    }
    const isOwn = proposal?.index === index;
    const record = isOwn ? proposal.record : names && this.recordMadeBy(standing, names);
    const isOwnValue = isOwn ? proposal.isOwnValue : false;
    return {
      type: 'done',
      outcome: 'done',
      record,
      existed,
      repeated: false,
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

  private positionOf(index: number): number {
    let position = 0;
    while (
      this.first + position < this.proposals.length &&
      this.proposals[this.first + position]!.index !== index
    ) {
      position++;
    }
    return position;
  }

  private dropFirst(): void {
    this.first++;
    if (this.first > 64 && this.first * 2 > this.proposals.length) {
      this.proposals.splice(0, this.first);
      this.first = 0;
    }
  }

  private forget({ entry, index, request, bytes }: Proposal): void {
    this.services.limits.uncommitted.release(bytes);
    if (request) {
      this.proposed.removeRequest(request);
    }
    for (const { changes } of entry.operations) {
      for (const { namespace, key } of changes) {
        this.proposed.removeRecord(namespace, key, index);
      }
    }
  }
}

function removed({ namespace, key }: KeyName): KeyChange {
  return { namespace, key, value: undefined, expiresAtMs: 0 };
}

/** Of what nobody asked for: the removal of what expired. */
function removalOf(changes: readonly KeyChange[]): EntryOperation {
  return { kind: 'change', request: undefined, existed: false, isCount: false, changes };
}

function coldName({ namespace, key }: AskedWrite): string {
  return nameOf(namespace, key);
}

function nameOf(namespace: string, key: string): string {
  return `${namespace}\0${key}`;
}

function overloaded(): DkvError {
  return new DkvError(
    'DKV_OVERLOADED',
    'More was written lately than could be stored in checkpoints. Try again later, or write less at a time.',
  );
}

export function refusalOf(error: unknown): Answer {
  const known = isDkvError(error)
    ? error
    : new DkvError('DKV_STORAGE_FAILED', error instanceof Error ? error.message : String(error), {
        cause: error,
      });
  return { type: 'refused', code: known.code, message: known.message };
}
