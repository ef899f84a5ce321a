/** Reads of one group: at the level `one` from what is applied here, linearizable ones once a majority has confirmed. */
import { type Answer, type Ask } from '../model/node-messages.js';
import { type StrongRecord } from '../model/strong-record.js';
import {
  type Asker,
  type Confirming,
  type Expiring,
  type ExpiryLook,
  type GroupCore,
  type GroupServices,
  refusalOf,
} from './group-parts.js';

type AskedRead = Extract<Ask, { type: 'read' }>;

/** Waits until the entry of an index is applied. */
interface Waiting {
  readonly index: number;
  readonly asker: Asker;
  readonly slot: number;
  readonly run: () => void;
}

export class GroupReads implements Confirming {
  private waiting: Waiting[] = [];

  constructor(
    private readonly group: GroupCore,
    private readonly services: GroupServices,
    private readonly expiring: () => Expiring,
  ) {}

  read(asker: Asker, slot: number, ask: AskedRead): void {
    const { group } = this;
    const { floor } = ask;
    const isOfAnother = floor.generation !== 0 && floor.generation !== group.generation;
    if (ask.linearizable || isOfAnother) {
      // Of another generation no index tells what of it goes on here.
      this.readLinearizable(asker, slot, ask);
      return;
    }
    if (group.isFetching) {
      asker.answer(slot, group.retry());
      return;
    }
    this.afterApplied(Math.max(floor.index, group.wholeFrom), asker, slot, () =>
      this.answerOne(asker, slot, ask),
    );
  }

  /**
   * Answers with what `answer` gives once the entry `basis` is applied and a majority has confirmed that this node leads
   * in this term: an answer that writes nothing is a linearizable read (rules 16 and 17).
   */
  confirm(basis: number, asker: Asker, slot: number, answer: () => Answer): void {
    const { group, services } = this;
    if (!group.leads) {
      asker.answer(slot, group.retry());
      return;
    }
    services.rounds.confirm(group, (isConfirmed) => {
      if (isConfirmed) {
        this.afterApplied(basis, asker, slot, () => asker.answer(slot, answer()));
      } else {
        asker.answer(slot, group.retry());
      }
    });
  }

  /** Those who wait for what is applied now go on. */
  applied(): void {
    if (this.waiting.length === 0) {
      return;
    }
    const { applied, wholeFrom } = this.group;
    const ready = this.waiting.filter(({ index }) => index <= applied && wholeFrom <= applied);
    if (ready.length > 0) {
      this.waiting = this.waiting.filter(({ index }) => index > applied || wholeFrom > applied);
      for (const { run } of ready) {
        this.services.limits.reads.release(1);
        run();
      }
    }
  }

  /** Who waits for this copy asks elsewhere: it leads no more, or has become void. */
  giveUp(): void {
    const { waiting } = this;
    this.waiting = [];
    const retry = this.group.retry();
    for (const { asker, slot } of waiting) {
      this.services.limits.reads.release(1);
      asker.answer(slot, retry);
    }
  }

  private readLinearizable(asker: Asker, slot: number, { namespace, key }: AskedRead): void {
    // Everything acknowledged or shown before this read began is at most here; the confirmation makes sure of it.
    const { readIndex } = this.group.raft;
    const { group } = this;
    if (!group.leads) {
      asker.answer(slot, group.retry());
      return;
    }
    this.services.rounds.confirm(group, (isConfirmed) => {
      if (isConfirmed) {
        this.afterApplied(readIndex, asker, slot, () => this.answerLinearizable(asker, slot, namespace, key));
      } else {
        asker.answer(slot, group.retry());
      }
    });
  }

  private answerLinearizable(asker: Asker, slot: number, namespace: string, key: string): void {
    const { group } = this;
    const known = this.services.store.peek(group.number, namespace, key);
    if (known === null || (known && group.shows(known))) {
      // Nothing is waited for and nothing removed, so no look need be noted: nearly always.
      asker.answer(slot, readAnswer(group, known ?? undefined));
      return;
    }
    const look = this.expiring().beginExpiry();
    this.look(asker, slot, namespace, key, look, (record, index) => {
      const past = record && !group.shows(record) ? record : undefined;
      if (!past || past.expiresAtMs <= group.logTimeMs) {
        this.expiring().endExpiry(look);
        asker.answer(slot, readAnswer(group, past ? undefined : record, index));
        return;
      }
      // A later leader whose clock is behind could show the value again: its removal is committed first (rule 19).
      const isRemoving = this.expiring().removeExpired(
        look,
        [{ namespace, key, record: past }],
        asker,
        slot,
        () => asker.answer(slot, readAnswer(group, undefined)),
      );
      if (!isRemoving) {
        asker.answer(slot, group.retry());
      }
    });
  }

  private answerOne(asker: Asker, slot: number, { namespace, key }: AskedRead): void {
    const { group } = this;
    this.look(asker, slot, namespace, key, undefined, (record, index) =>
      asker.answer(slot, readAnswer(group, record && group.shows(record) ? record : undefined, index)),
    );
  }

  /** The committed record, expired ones included, and an index as of which it is what the group holds. */
  private look(
    asker: Asker,
    slot: number,
    namespace: string,
    key: string,
    expiry: ExpiryLook | undefined,
    found: (record: StrongRecord | undefined, index: number) => void,
  ): void {
    const { store } = this.services;
    const { number, applied } = this.group;
    const record = store.peek(number, namespace, key);
    if (record !== undefined) {
      found(record ?? undefined, applied);
      return;
    }
    const { fetches } = this.group;
    store.read(number, namespace, key).then(
      (read) => {
        if (this.group.fetches === fetches) {
          found(read, applied);
          return;
        }
        // The records were void meanwhile: that none was found says nothing.
        if (expiry) {
          this.expiring().endExpiry(expiry);
        }
        asker.answer(slot, this.group.retry());
      },
      (error: unknown) => {
        if (expiry) {
          this.expiring().endExpiry(expiry);
        }
        asker.answer(slot, refusalOf(error));
      },
    );
  }

  private afterApplied(index: number, asker: Asker, slot: number, run: () => void): void {
    const { applied, wholeFrom } = this.group;
    if (index <= applied && wholeFrom <= applied) {
      run();
      return;
    }
    try {
      this.services.limits.reads.take(1);
    } catch (error) {
      asker.answer(slot, refusalOf(error));
      return;
    }
    this.waiting.push({ index, asker, slot, run });
  }
}

function readAnswer(
  { generation, applied }: GroupCore,
  record: StrongRecord | undefined,
  index = applied,
): Answer {
  const existed = record !== undefined;
  return {
    type: 'done',
    outcome: 'done',
    record,
    existed,
    repeated: false,
    generation,
    index,
    isLogged: false,
    isOwnValue: false,
  };
}
