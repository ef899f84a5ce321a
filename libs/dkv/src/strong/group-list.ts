/** The groups of a node by number: looked up for each message, so by an index and not by a hash. */
import { ByGroup } from '../model/by-group.js';
import { keepsConfiguration } from '../model/membership.js';
import { type StrongGroup } from './strong-group.js';

export class GroupList {
  private readonly byNumber = new ByGroup<StrongGroup>();
  private list: StrongGroup[] = [];
  private readonly withdrawn = new Map<number, StrongGroup>();

  /** Without those that are withdrawn. */
  get size(): number {
    return this.list.length;
  }

  /** Undefined also for one that is withdrawn: it takes part in nothing. */
  get(number: number): StrongGroup | undefined {
    return this.byNumber.get(number);
  }

  /** Also one that is withdrawn: it has something in store and log yet. */
  find(number: number): StrongGroup | undefined {
    return this.get(number) ?? this.withdrawn.get(number);
  }

  /** @throws TypeError while there is one of its number, withdrawn or not */
  add(group: StrongGroup): void {
    const { number } = group;
    if (this.find(number)) {
      throw new TypeError(`Group ${number} is here already.`);
    }
    this.byNumber.set(number, group);
    this.list.push(group);
  }

  /** Nobody comes across it from now on, but its number is taken until it is removed. Gives what {@link find} does. */
  withdraw(number: number): StrongGroup | undefined {
    const group = this.get(number);
    if (!group) {
      return this.withdrawn.get(number);
    }
    this.withdrawn.set(number, group);
    this.byNumber.set(number, undefined);
    // A new list: whoever goes through the old one now skips none.
    this.list = this.list.filter((other) => other !== group);
    return group;
  }

  /** Of one that is withdrawn. */
  remove(number: number): void {
    this.withdrawn.delete(number);
  }

  /** Without the one that keeps the configuration. */
  partitions(): readonly StrongGroup[] {
    return this.list.filter(({ number }) => !keepsConfiguration(number));
  }

  /** In the order in which they were added, without those that are withdrawn. */
  values(): readonly StrongGroup[] {
    return this.list;
  }
}
