/** Values by number of group: looked up for each message and each record, so by an index and not by a hash. */
import { keepsConfiguration } from './membership.js';

export class ByGroup<T> {
  private readonly ofPartitions: (T | undefined)[] = [];
  /** Apart: an array in which its number follows those of the partitions is a dictionary to V8, slow for all of them. */
  private ofConfiguration: T | undefined;

  get(group: number): T | undefined {
    return keepsConfiguration(group) ? this.ofConfiguration : this.ofPartitions[group];
  }

  set(group: number, value: T | undefined): void {
    if (keepsConfiguration(group)) {
      this.ofConfiguration = value;
    } else {
      this.ofPartitions[group] = value;
    }
  }

  /** Of all groups that have one. */
  values(): T[] {
    return [...this.ofPartitions, this.ofConfiguration].filter((value) => value !== undefined);
  }
}
