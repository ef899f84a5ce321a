/** What the groups of a node have to write in a turn goes to the log as one append; what it was for follows when that ends. */
import { type AddressedMessage } from '../model/raft-messages.js';
import { type Logger } from '../ports/logger.js';
import { type NodeLog } from '../ports/node-log.js';
import { type RaftGroup, type RaftOutput } from '../raft/raft-group.js';
import { type StrongGroup } from './strong-group.js';

/** What one group put into an append, and what may follow once that is durable. */
interface PendingAppend {
  readonly group: StrongGroup;
  /** As which member. */
  readonly raft: RaftGroup;
  /** Of the last entry; 0 where there was none. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly messages: readonly AddressedMessage[];
}

export interface GroupAppendServices {
  readonly log: NodeLog;
  readonly logger: Logger;
  /** An append was handed to the log; it has ended, durable or not. */
  readonly began: () => void;
  readonly ended: () => void;
  readonly isStopped: () => boolean;
  readonly post: (group: StrongGroup, messages: readonly AddressedMessage[]) => void;
  readonly wake: (group: StrongGroup) => void;
}

export class GroupAppends {
  private pending: PendingAppend[] = [];

  constructor(private readonly services: GroupAppendServices) {}

  /** @param messages leave when it is durable */
  add(
    group: StrongGroup,
    { reset, hardState, entries }: RaftOutput,
    messages: readonly AddressedMessage[],
  ): void {
    const { log } = this.services;
    const { number, generation, raft } = group;
    if (reset) {
      log.addReset(number, generation, reset.index, reset.term);
    }
    if (hardState) {
      log.addHardState(number, { generation, term: hardState.term, vote: hardState.vote });
    }
    for (let at = 0; at < entries.length; at++) {
      const { term, index, kind, data } = entries[at]!;
      log.addEntry(number, generation, term, index, kind, data);
    }
    if (reset || hardState || entries.length > 0 || messages.length > 0) {
      const last = entries[entries.length - 1];
      this.pending.push({ group, raft, lastIndex: last?.index ?? 0, lastTerm: last?.term ?? 0, messages });
    }
  }

  flush(): void {
    const { pending, services } = this;
    if (pending.length === 0) {
      return;
    }
    this.pending = [];
    services.began();
    services.log.flush((error) => {
      services.ended();
      if (services.isStopped()) {
        return;
      }
      for (const append of pending) {
        // Else it has become another member meanwhile, for which nothing of this was said.
        if (append.group.raft === append.raft) {
          this.ended(append, error);
        }
      }
      if (error) {
        services.logger.error(`What was to be appended to the log is not durable: ${error.message}`);
      }
    });
  }

  private ended(
    { group, raft, lastIndex, lastTerm, messages }: PendingAppend,
    error: Error | undefined,
  ): void {
    if (error) {
      // What it has to write again is tried at the next tick: the log may refuse for long.
      raft.appendFailed();
      group.noticeLeadership();
      return;
    }
    if (lastIndex > 0) {
      raft.appended(lastTerm, lastIndex);
    }
    if (!group.isSuspended) {
      this.services.post(group, messages);
    }
    if (raft.hasOutput || raft.commit > group.applied) {
      this.services.wake(group);
    }
  }
}
