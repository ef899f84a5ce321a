/** Numbers the requests of a process run, and tells which slot each has, and the lowest that still waits for its answer. */

/** Of a number that is done. */
const DONE = -1;

export class OpenNumbers {
  /** Of the numbers from `lowest` on. */
  private slots: number[] = [];
  private first = 0;
  private lowestOpen = 1;

  /** The next number, from 1. */
  take(slot: number): number {
    this.slots.push(slot);
    return this.lowestOpen + (this.slots.length - this.first) - 1;
  }

  /** Its caller has an answer, or gave it up: under this number nothing is asked any more. */
  done(number: number): void {
    this.slots[this.first + number - this.lowestOpen] = DONE;
    while (this.first < this.slots.length && this.slots[this.first] === DONE) {
      this.first++;
      this.lowestOpen++;
    }
    if (this.first > 1_024 && this.first * 2 > this.slots.length) {
      this.slots = this.slots.slice(this.first);
      this.first = 0;
    }
  }

  /** Undefined for a number that is done, or was never taken. */
  slotOf(number: number): number | undefined {
    const slot = number < this.lowestOpen ? DONE : this.slots[this.first + number - this.lowestOpen];
    return slot === DONE ? undefined : slot;
  }

  /** Every lower one is done. */
  get lowest(): number {
    return this.lowestOpen;
  }
}
