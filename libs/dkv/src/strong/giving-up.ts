/** How a node rids itself of its copy of a group that does without it: at any moment, and over a crash at any step. */
import { type NodeLog } from '../ports/node-log.js';
import { type StrongStore } from '../ports/strong-store.js';
import { type GroupList } from './group-list.js';
import { type LeftBehind } from './raft-states.js';
import { type Snapshots } from './snapshots.js';
import { type StoredGroup } from './stored-group.js';
import { type StrongGroup } from './strong-group.js';

export interface GivingUpServices {
  readonly groups: GroupList;
  readonly log: NodeLog;
  readonly store: Pick<StrongStore, 'clear'>;
  readonly snapshots: Pick<Snapshots, 'giveUp'>;
  /** Forgets what is kept beside the group, by its number: called before anything of it is removed. */
  readonly forget: (group: number) => void;
}

/**
 * Records and log go. What stays is what a member of this name must not forget: the term, the vote, and how far the log went at
 * least. Taken in again, it votes for nobody whose log ends before the configuration by which it was left out: else a candidate
 * that knows of an older one alone could win with the votes of members that had given up what they had.
 *
 * The state goes first, and says from then on that there are no records. So a crash leaves the group as it was, or a member that
 * is to fetch a snapshot: with what is left over in the store and the log, or without.
 */
export class GivingUp {
  private readonly underWay = new Map<number, Promise<void>>();
  private readonly done = new Map<number, StoredGroup>();

  constructor(private readonly services: GivingUpServices) {}

  /**
   * Takes part in nothing of the group from the call on; resolves when nothing is left of it. Does nothing where the node has
   * no such group. May be called again at any time: one that is under way is waited for, one that failed is gone on with.
   * @throws DkvError `DKV_STORAGE_FAILED`, `DKV_READ_ONLY`, `DKV_OVERLOADED`: the group takes part in nothing all the same
   */
  giveUp(number: number, left: LeftBehind): Promise<void> {
    const known = this.underWay.get(number);
    const group = known ? undefined : this.services.groups.withdraw(number);
    if (!group) {
      return known ?? Promise.resolve();
    }
    if (!group.isGivenUp) {
      group.giveUp(left);
      this.services.forget(number);
    }
    const removed = this.remove(group).finally(() => this.underWay.delete(number));
    this.underWay.set(number, removed);
    return removed;
  }

  /** What there is of a group that was given up in this process run, and was not taken in again: to take it in with. */
  givenUp(number: number): StoredGroup | undefined {
    return this.services.groups.find(number) ? undefined : this.done.get(number);
  }

  private async remove(group: StrongGroup): Promise<void> {
    const { groups, store, snapshots } = this.services;
    const { number } = group;
    await snapshots.giveUp(group);
    await store.clear(number);
    const stored = await this.voidLog(group);
    groups.remove(number);
    this.done.set(number, stored);
  }

  /** Its log begins anew behind what the state says, and with a term that was perhaps not written yet. */
  private voidLog(group: StrongGroup): Promise<StoredGroup> {
    const { log } = this.services;
    const { number, generation, applied, raft } = group;
    const hardState = { generation, term: raft.term, vote: raft.vote };
    log.addReset(number, generation, applied, group.appliedUpTo.appliedTerm);
    log.addHardState(number, hardState);
    const stored = { state: group.state(), hardState, entries: [], resetAt: applied, generation };
    return new Promise((resolve, reject) => log.flush((error) => (error ? reject(error) : resolve(stored))));
  }
}
