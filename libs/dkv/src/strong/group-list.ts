/** The groups of a node by number: looked up for each message, so by an index and not by a hash. */
import { type StrongGroup } from './strong-group.js';

export class GroupList {
  private readonly byNumber: (StrongGroup | undefined)[] = [];
  private readonly list: StrongGroup[] = [];

  get size(): number {
    return this.list.length;
  }

  get(number: number): StrongGroup | undefined {
    return this.byNumber[number];
  }

  add(group: StrongGroup): void {
    this.byNumber[group.number] = group;
    this.list.push(group);
  }

  /** In the order in which they were added. */
  values(): readonly StrongGroup[] {
    return this.list;
  }
}
