/** Values by number, where numbers come about in order and go from the lowest: what is under way. */

import { dropFirst } from './drop-first.js';

/** From so many numbers that are gone on, their places are given back. */
const GONE_MAX = 32;

/**
 * A sorted array. A number that comes in order costs a push, and the lowest ones cost nothing to drop; a Map would make
 * its table anew every few numbers.
 */
export class NumberedList<T> {
  private numbers: number[] = [];
  private values: T[] = [];
  /** Places before it are gone. */
  private first = 0;

  get size(): number {
    return this.numbers.length - this.first;
  }

  get(number: number): T | undefined {
    const at = this.placeOf(number);
    return this.numbers[at] === number ? this.values[at] : undefined;
  }

  set(number: number, value: T): void {
    const at = this.placeOf(number);
    if (at === this.numbers.length) {
      this.numbers.push(number);
      this.values.push(value);
    } else if (this.numbers[at] === number) {
      this.values[at] = value;
    } else {
      this.numbers.splice(at, 0, number);
      this.values.splice(at, 0, value);
    }
  }

  delete(number: number): void {
    const at = this.placeOf(number);
    if (this.numbers[at] !== number) {
      return;
    }
    if (at === this.first) {
      this.dropTo(at + 1);
    } else {
      this.numbers.splice(at, 1);
      this.values.splice(at, 1);
    }
  }

  /** Forgets what has a lower number. */
  dropBelow(number: number): void {
    const { numbers } = this;
    let at = this.first;
    while (at < numbers.length && numbers[at]! < number) {
      at++;
    }
    this.dropTo(at);
  }

  clear(): void {
    this.dropTo(this.numbers.length);
  }

  /** By rising number. */
  forEach(each: (number: number, value: T) => void): void {
    for (let at = this.first; at < this.numbers.length; at++) {
      each(this.numbers[at]!, this.values[at]!);
    }
  }

  /** The first place whose number is not lower. */
  private placeOf(number: number): number {
    const { numbers } = this;
    let high = numbers.length;
    if (high === this.first || numbers[high - 1]! < number) {
      return high;
    }
    let low = this.first;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (numbers[middle]! < number) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  private dropTo(first: number): void {
    if (first > GONE_MAX && first * 2 > this.numbers.length) {
      dropFirst(this.numbers, first);
      dropFirst(this.values, first);
      this.first = 0;
    } else {
      for (; this.first < first; this.first++) {
        this.values[this.first] = undefined as T;
      }
    }
  }
}
