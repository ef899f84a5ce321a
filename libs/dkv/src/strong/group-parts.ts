/** What the parts of a group know of each other, and what all groups of a node share. */
import { DkvError, isDkvError } from '../dkv.errors.js';
import { type Answer } from '../model/node-messages.js';
import { type MemberId } from '../model/raft-messages.js';
import { type RequestId } from '../model/request.js';
import { type StrongRecord } from '../model/strong-record.js';
import { type Clock } from '../ports/clock.js';
import { type Codec } from '../ports/codec.js';
import { type StrongStore } from '../ports/strong-store.js';
import { type RaftGroup, type RaftGroupOptions } from '../raft/raft-group.js';
import { type DoneAnswer } from './call-ends.js';
import { type RequestTable } from './request-table.js';
import { type WorkLimits } from './work-limits.js';

/** Whoever asked, here or on another node. */
export interface Asker {
  /** Of another node, as the groups know it. */
  readonly member?: MemberId;
  answer(slot: number, answer: Answer): void;
}

export interface KeyName {
  readonly namespace: string;
  readonly key: string;
}

/** A group, as its own parts and the confirmations of leaderships see it. */
export interface GroupCore {
  readonly number: number;
  /** The nodes of the group, the preferred leader first. */
  readonly list: readonly string[];
  readonly raft: RaftGroup;
  readonly generation: number;
  /** Index of the last entry applied. */
  readonly applied: number;
  readonly logTimeMs: number;
  readonly requests: RequestTable;
  /** Nothing is shown before this index is applied. */
  readonly wholeFrom: number;
  readonly isFetching: boolean;
  /** How often its records became void since this process began. */
  readonly fetches: number;
  /** Whether it decides and reads: rule 7. */
  readonly leads: boolean;
  /** Milliseconds since 1970 by which values expire. */
  readonly nowMs: number;
  /** Whether a reader sees the record now. */
  shows(record: StrongRecord): boolean;
  /** The answer to who should ask the leader. */
  retry(session?: number): Answer;
}

/** What the groups of a node share. */
export interface GroupServices {
  readonly nodeId: string;
  /** The nodes of a group, the preferred leader first. */
  listOf(group: number): readonly string[];
  /** This node, as the groups know it. */
  readonly member: () => MemberId;
  readonly store: StrongStore;
  readonly clock: Clock;
  /** Calls `done` once: with true when a majority of the group's voters has followed this node since the call. */
  readonly rounds: {
    confirm(group: GroupCore, done: (isConfirmed: boolean) => void): void;
    giveUp(group: number): void;
  };
  readonly limits: WorkLimits;
  readonly idempotencyTtlMs: number;
  /** A request of this node's own callers took effect by an entry that is applied here. */
  ownApplied(request: RequestId, answer: DoneAnswer): void;
  /** Asks the group for nothing before its member is there. */
  raftOptions(group: Pick<GroupCore, 'number' | 'raft'>): RaftGroupOptions;
  /** The codec of a namespace that this node was told of. @throws DkvError `DKV_UNKNOWN_NAMESPACE` */
  readonly codecOf: (namespace: string) => Codec;
  /** Why nothing can be committed in the group now; undefined when it can. */
  withoutQuorum(group: number, key: string): DkvError | undefined;
  /** Why nothing but removes may be decided here now; undefined when all may. */
  onlyRemoves(list: readonly string[]): Answer | undefined;
  /** This node's wall clock, held back where it is ahead of most others (rule 19). */
  boundedNowMs(): number;
  /** The group has output, or entries to apply: it wants a turn. */
  wake(group: GroupCore): void;
}

/** A look for expired records that is under way: what was written since it began is not what it saw. */
export interface ExpiryLook {
  readonly term: number;
  readonly written: Set<string>;
}

export interface ExpiredRecord extends KeyName {
  readonly record: StrongRecord;
}

/** Commits removals of what has expired: the leader's side of a group. */
export interface Expiring {
  beginExpiry(): ExpiryLook;
  endExpiry(look: ExpiryLook): void;
  removeExpired(
    look: ExpiryLook,
    records: readonly ExpiredRecord[],
    asker?: Asker,
    slot?: number,
    then?: () => void,
  ): boolean;
}

/** Tells an answer that writes nothing, once it is certain that it still holds. */
export interface Confirming {
  confirm(basis: number, asker: Asker, slot: number, answer: () => Answer): void;
}

/** One text for a namespace and a key. */
export function nameOf({ namespace, key }: KeyName): string {
  return `${namespace}\0${key}`;
}

export function refusalOf(error: unknown): Answer {
  const known = isDkvError(error)
    ? error
    : new DkvError('DKV_STORAGE_FAILED', error instanceof Error ? error.message : String(error), {
        cause: error,
      });
  return { type: 'refused', code: known.code, message: known.message };
}

export function overloaded(): DkvError {
  return new DkvError(
    'DKV_OVERLOADED',
    'More was written lately than could be stored in checkpoints. Try again later, or write less at a time.',
  );
}
