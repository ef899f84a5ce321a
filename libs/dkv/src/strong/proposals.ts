/** The entries that a leader has proposed and not applied yet, in order: what they leave, and who waits for them. */
import { dropFirst } from '../model/drop-first.js';
import { type Request } from '../model/request.js';
import { type StrongRecord } from '../model/strong-record.js';
import { type OperationsEntry } from './entry-layout.js';
import { type Asker, type ExpiryLook, type KeyName, nameOf } from './group-parts.js';
import { IDEMPOTENCY_NAMESPACE } from './idempotency.js';
import { ProposedChanges } from './proposed-changes.js';
import { type WorkLimits } from './work-limits.js';

/** Who is told, and what happens, when an entry is applied. */
export interface ProposalEnd {
  readonly asker: Asker | undefined;
  readonly slot: number;
  /** Of the write that was asked for, or is cancelled; undefined for what no caller asked for. */
  readonly names?: KeyName;
  /** For what no caller asked for. */
  readonly then?: (() => void) | undefined;
  /** Whether the value of the record is the one that the caller gave. */
  readonly isOwnValue?: boolean;
}

export interface Proposal {
  readonly index: number;
  readonly term: number;
  readonly entry: OperationsEntry;
  readonly bytes: number;
  /** Undefined for what nobody waits for. */
  readonly request: Request | undefined;
  /** The last one who asked under the request's name. */
  asker: Asker | undefined;
  slot: number;
  readonly end: ProposalEnd;
  /** The record that it leaves, of the write's own key; undefined for a removal. */
  readonly record: StrongRecord | undefined;
}

/** From so many on that are gone, their places are given back. */
const GONE_MAX = 64;

export class Proposals {
  readonly changes = new ProposedChanges();
  private readonly looks = new Set<ExpiryLook>();
  /** In order of their indexes; those before `first` are gone. */
  private list: (Proposal | undefined)[] = [];
  private first = 0;

  constructor(private readonly limits: WorkLimits) {}

  /** Entries that were proposed here and are not applied. */
  get underWay(): number {
    return this.list.length - this.first;
  }

  /** Notes from now on, and of what is proposed already, which keys are written. */
  beginLook(term: number): ExpiryLook {
    const look = { term, written: this.changes.names((namespace, key) => nameOf({ namespace, key })) };
    this.looks.add(look);
    return look;
  }

  endLook(look: ExpiryLook): void {
    this.looks.delete(look);
  }

  add(
    entry: OperationsEntry,
    at: { readonly index: number; readonly term: number; readonly generation: number },
    bytes: number,
    end: ProposalEnd,
  ): void {
    const { index, term, generation } = at;
    const [operation] = entry.operations;
    const { request, changes } = operation!;
    if (request) {
      this.changes.addRequest(request, index);
    }
    let own: StrongRecord | undefined;
    for (const change of changes) {
      const { namespace, key, value, expiresAtMs } = change;
      const record = value && { generation, index, expiresAtMs, modifiedMs: entry.timeMs, value };
      this.changes.addRecord(namespace, key, record, index);
      for (const { written } of this.looks) {
        written.add(nameOf(change));
      }
      own = change === changes[0] && namespace !== IDEMPOTENCY_NAMESPACE ? record : own;
    }
    const { asker, slot } = end;
    this.list.push({ index, term, entry, bytes, request, asker, slot, end, record: own });
  }

  /** The oldest, if it is that entry; undefined where another leader made it. */
  at(index: number, term: number): Proposal | undefined {
    const proposal = this.list[this.first];
    return proposal?.index === index && proposal.term === term ? proposal : undefined;
  }

  /** The one with that index, which is under way. */
  find(index: number): Proposal | undefined {
    for (let at = this.first; at < this.list.length; at++) {
      if (this.list[at]!.index === index) {
        return this.list[at];
      }
    }
    return undefined;
  }

  /** The oldest is applied: what it left is in the store. */
  dropFirst(): void {
    const { entry, index, request, bytes } = this.list[this.first]!;
    this.list[this.first++] = undefined;
    const { first, list } = this;
    if (first === list.length || (first > GONE_MAX && first * 2 > list.length)) {
      dropFirst(list, first);
      this.first = 0;
    }
    this.limits.uncommitted.release(bytes);
    if (request) {
      this.changes.removeRequest(request);
    }
    for (const { changes } of entry.operations) {
      for (const { namespace, key } of changes) {
        this.changes.removeRecord(namespace, key, index);
      }
    }
  }

  /** Forgets all; gives those who wait for them. */
  clear(): readonly Proposal[] {
    const left = this.list.slice(this.first) as Proposal[];
    this.list = [];
    this.first = 0;
    this.changes.clear();
    this.looks.clear();
    left.forEach(({ bytes }) => this.limits.uncommitted.release(bytes));
    return left;
  }
}
